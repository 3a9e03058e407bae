"""An entry is whole or absent: damage of any kind makes a read miss, never a wrong answer."""

import errno
import os
import shutil
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from edgec.diagnostics import Failure
from edgec.store import cache as cache_module
from edgec.store.cache import Cache
from forced import watched


@pytest.fixture
def cache(tmp_path):
    return Cache(folder=tmp_path / "cache")


@pytest.fixture
def entry(cache, tmp_path):
    folder = tmp_path / "made"
    (folder / "golden").mkdir(parents=True)
    (folder / "model.pte").write_bytes(b"program")
    (folder / "golden" / "0.bin").write_bytes(b"\0" * 16)
    return cache.write("lowered", "k1", folder)


def test_what_was_written_is_read(cache, entry):
    assert cache.read("lowered", "k1") == entry
    assert (entry / "golden" / "0.bin").read_bytes() == b"\0" * 16


def test_an_entry_is_forced_to_the_disk_before_it_is_moved(cache, tmp_path, monkeypatch):
    unforced = watched(monkeypatch, cache_module)
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "model.pte").write_bytes(b"x")
    cache.write("kind", "one", tmp_path / "job")
    cache.keep("kind", "two", "record.json", b"{}")
    assert unforced() == set()


def test_what_is_looked_at_counts_as_used(cache):
    cache.keep("kind", "key", "record.json", b"{}")
    index = cache.folder / "kind" / "key" / "entry.json"
    os.utime(index, (1, 1))
    assert cache.peek("kind", "key", "record.json") == b"{}" and time.time() - index.stat().st_mtime < 60


def test_what_cannot_be_read_is_not_there(cache, monkeypatch):
    cache.keep("kind", "key", "record.json", b"{}")

    def refuse(path):
        raise PermissionError(errno.EACCES, "no", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert cache.peek("kind", "key", "record.json") is None


def test_another_key_or_kind_misses(cache, entry):
    assert cache.read("lowered", "k2") is None
    assert cache.read("runner", "k1") is None


def test_one_file_can_be_looked_at(cache, entry):
    assert cache.peek("lowered", "k1", "model.pte") == b"program"
    assert cache.peek("lowered", "k1", "absent") is None
    assert cache.peek("lowered", "k2", "model.pte") is None
    (entry / "model.pte").write_bytes(b"pregram")
    assert cache.peek("lowered", "k1", "model.pte") is None


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "add", "index"])
def test_damage_is_a_miss_and_the_entry_goes(cache, entry, damage):
    model = entry / "model.pte"
    {
        "flip": lambda: model.write_bytes(b"pregram"),
        "truncate": lambda: model.write_bytes(b"prog"),
        "remove": model.unlink,
        "add": lambda: (entry / "golden" / "1.bin").write_bytes(b"x"),
        "index": lambda: (entry / "entry.json").write_text("{"),
    }[damage]()
    told = []
    noisy = Cache(folder=cache.folder, damaged=lambda entry, why: told.append(entry))
    assert noisy.read("lowered", "k1") is None
    assert not entry.exists() and told == ["lowered/k1"]


@pytest.mark.parametrize("gone", ["file", "entry", "entry, once it was hashed"])
def test_what_goes_while_it_is_read_is_not_there(cache, entry, gone, monkeypatch):
    """As where `edgec cache gc` runs beside a build."""
    told = []

    def hashed(path, real=cache_module.sha256_of):
        digest = real(path) if gone.endswith("hashed") else None
        if path.name == "model.pte":
            path.unlink() if gone == "file" else shutil.rmtree(entry)
        return digest or real(path)

    monkeypatch.setattr(cache_module, "sha256_of", hashed)
    assert Cache(folder=cache.folder, damaged=lambda *words: told.append(words)).read("lowered", "k1") is None
    assert told == ([("lowered/k1", "model.pte is missing")] if gone == "file" else [])
    assert not entry.exists()


def test_writing_again_replaces(cache, entry, tmp_path):
    (tmp_path / "made" / "model.pte").write_bytes(b"newer")
    cache.write("lowered", "k1", tmp_path / "made")
    assert (cache.read("lowered", "k1") / "model.pte").read_bytes() == b"newer"


def test_a_failed_write_leaves_nothing(cache, tmp_path):
    with pytest.raises(FileNotFoundError):
        cache.write("lowered", "k3", tmp_path / "absent")
    assert list((cache.folder / "lowered").iterdir()) == []


def test_waiting_for_another_holder_ends_when_told_to(cache):
    stop = threading.Event()
    stop.set()
    with cache.lock("lowered", "k1"), pytest.raises(CancelledError), cache.lock("lowered", "k1", stop):
        pass


def test_a_full_disk_is_said_to_be_full(cache, entry, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("edgec.store.cache.shutil.copy", full)
    with pytest.raises(Failure) as refused:
        cache.write("lowered", "k1", entry)
    assert refused.value.diagnostics[0].code == "disk-full"
    assert cache.read("lowered", "k1") == entry
    assert sorted(path.name for path in entry.parent.iterdir()) == ["k1"]


@pytest.mark.parametrize("place", ["file", "file/below", "nowhere", "x" * 300])
def test_a_cache_that_cannot_be_made_is_refused(place, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "not" / "there")
    cache = Cache(folder=tmp_path / place)
    for using in (cache.lease(), cache.lock("kind", "key")):
        with pytest.raises(Failure, match="could not use the cache") as caught, using:
            pass
        assert caught.value.exit_code == 8


def test_a_file_in_the_place_of_a_kind_is_refused(cache):
    cache.folder.mkdir()
    (cache.folder / "kind").touch()
    with pytest.raises(Failure, match="could not use the cache") as caught:
        cache.keep("kind", "key", "record.json", b"{}")
    assert caught.value.exit_code == 8


def test_a_copy_that_differs_is_not_kept(cache, entry, monkeypatch):
    monkeypatch.setattr("edgec.store.cache.shutil.copy", lambda source, place: place.write_bytes(b"progra"))
    with pytest.raises(Failure, match="read back differently"):
        cache.write("lowered", "k1", entry)
    assert (cache.read("lowered", "k1") / "model.pte").read_bytes() == b"program"


def test_one_holder_at_a_time(cache):
    inside, seen = 0, []

    def work():
        nonlocal inside
        with cache.lock("lowered", "k1"):
            inside += 1
            seen.append(inside)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 8
