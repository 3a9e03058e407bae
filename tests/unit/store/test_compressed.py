"""What the cache gives a tarball of its large files is what compressing them would give."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from edgec.diagnostics import Diagnostic, Failure
from edgec.store import archive, compressed
from edgec.store.cache import Cache
from edgec.store.files import sha256_of

CONTENT = bytes(range(256)) * 1024


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(folder=tmp_path / "cache", damaged=lambda entry, why: told.append(entry))


told: list[str] = []


def member(cache: Cache | None, path: Path) -> bytes:
    sink = io.BytesIO()
    (compressed.kept(cache, {path: sha256_of(path)}) if cache else archive.compress)(path, sink)
    return sink.getvalue()


def test_a_known_content_is_not_compressed_again(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(CONTENT)
    second.write_bytes(CONTENT)
    expected = member(None, first)
    assert member(cache, first) == expected
    monkeypatch.setattr(archive, "compress", None)
    assert member(cache, second) == expected


def test_what_another_writer_compresses_meanwhile_is_taken(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    expected, real, asked = member(None, path), Cache.read, []

    def late(self: Cache, kind: str, key: str) -> Path | None:
        asked.append(key)
        if len(asked) == 1:  # it was not there yet; the other holds the lock
            member(Cache(folder=self.folder), path)
            monkeypatch.setattr(archive, "compress", None)
            return None
        return real(self, kind, key)

    monkeypatch.setattr(Cache, "read", late)
    assert member(cache, path) == expected


def test_another_content_another_level_and_another_zlib_are_compressed(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    member(cache, path)
    path.write_bytes(CONTENT + b"x")
    assert member(cache, path) == member(None, path)
    monkeypatch.setattr(archive, "LEVEL", 1)
    assert member(cache, path) == member(None, path)
    monkeypatch.setattr("zlib.ZLIB_RUNTIME_VERSION", "another")
    member(cache, path)
    assert len(list((cache.folder / compressed.KIND).iterdir())) == 4


def test_a_file_that_is_not_what_it_was_said_to_be_is_kept_as_what_it_is(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    sink = io.BytesIO()
    compressed.kept(cache, {path: "0" * 64})(path, sink)
    assert sink.getvalue() == member(None, path)
    path.write_bytes(CONTENT[::-1])
    assert member(cache, path) == member(None, path)


def test_what_the_next_bundle_will_not_hold_is_compressed_and_forgotten(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    sink = io.BytesIO()
    compressed.kept(cache, {})(path, sink)
    assert sink.getvalue() == member(None, path) and not (cache.folder / compressed.KIND).exists()


def test_a_damaged_entry_is_told_of_and_made_anew(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    expected = member(cache, path)
    (entry,) = (cache.folder / compressed.KIND).iterdir()
    (entry / compressed.FILE).write_bytes(b"torn")
    told.clear()
    assert member(cache, path) == expected
    assert told == [f"{compressed.KIND}/{entry.name}"]


def test_a_cache_that_takes_nothing_costs_only_time(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)

    def full(*given: object) -> Path:
        raise Failure(Diagnostic(code="disk-full", message="the disk is full"))

    monkeypatch.setattr(Cache, "write", full)
    assert member(cache, path) == member(None, path)
