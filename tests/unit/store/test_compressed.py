"""What the cache gives a tarball of its large files is what compressing them would give."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import IO

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
    known = compressed.kept(cache, {path: "0" * 64})(path, sink)
    assert sink.getvalue() == member(None, path)
    assert known == archive.Known(hashlib.sha256(sink.getvalue()).hexdigest(), sha256_of(path))
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


def test_what_does_not_inflate_to_what_was_compressed_is_not_kept(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, calls = tmp_path / "file", archive.compress, []
    path.write_bytes(CONTENT)
    expected = member(None, path)

    def once_wrong(given: Path, sink: IO[bytes]) -> None:
        calls.append(given)
        if len(calls) == 1:
            given.write_bytes(CONTENT[::-1])
        real(given, sink)
        given.write_bytes(CONTENT)

    monkeypatch.setattr(archive, "compress", once_wrong)
    assert member(cache, path) == expected
    assert not list((cache.folder / compressed.KIND).glob("*/*")) and len(calls) == 2


@pytest.fixture
def packed(cache: Cache, tmp_path: Path) -> tuple[Path, list[archive.Piece], Path]:
    """A tarball of two large files and a small one, its pieces, and the folder that it was packed from."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(CONTENT)
    (folder / "b").write_bytes(b"small")
    (folder / "c").write_bytes(CONTENT[::-1])
    known = {path: sha256_of(path) for path in (folder / "a", folder / "c")}
    return tmp_path / "one.tar.gz", archive.pack(folder, "top", tmp_path / "one.tar.gz", compressed.kept(cache, known)), folder


def test_pieces_need_not_be_inflated_to_be_known(
    packed: tuple[Path, list[archive.Piece], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball, pieces, folder = packed
    assert len(pieces) == 2
    expected = {f"top/{path.name}": sha256_of(path) for path in folder.iterdir()}
    inflated, real = [], archive.gzip.decompress
    monkeypatch.setattr(archive.gzip, "decompress", lambda data: inflated.append(real(data)) or inflated[-1])
    assert archive.digests(tarball, pieces) == archive.digests(tarball) == expected
    assert sum(map(len, inflated)) < 10_000


@pytest.mark.parametrize("where", ["header", "piece", "small", "cut", "more"])
def test_what_was_changed_in_a_tarball_of_pieces_is_found(
    packed: tuple[Path, list[archive.Piece], Path], where: str
) -> None:
    tarball, pieces, _ = packed
    content = bytearray(tarball.read_bytes())
    place = {"header": pieces[0].start - 9, "piece": pieces[0].start + 30, "small": pieces[0].end + 14}.get(where, 0)
    content[place] ^= 0x10 if place else 0
    tarball.write_bytes(content[:-30] if where == "cut" else content + b"more" if where == "more" else content)
    with pytest.raises(Failure) as caught:
        archive.digests(tarball, pieces)
    assert [item.code for item in caught.value.diagnostics] == ["bundle-broken"]
