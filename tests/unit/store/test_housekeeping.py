"""What is used least recently goes first, what a build uses stays, and what the killed left is swept up."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgec.store.cache import Cache
from edgec.store.housekeeping import collect, damaged, entries, leases


@pytest.fixture
def cache(tmp_path):
    return Cache(folder=tmp_path / "cache")


def put(cache, key, size, age):
    """Write an entry of about ``size`` bytes that was last used ``age`` seconds ago."""
    cache.keep("lowered", key, "model.pte", b"x" * size)
    index = cache.folder / "lowered" / key / "entry.json"
    os.utime(index, (time.time() - age,) * 2)
    return index


def keys(cache):
    return [entry.key for entry in entries(cache.folder)]


def test_the_least_recently_used_goes_first(cache):
    for key, age in (("old", 300), ("older", 400), ("new", 200)):
        put(cache, key, 10_000, age)
    assert cache.read("lowered", "older")
    done = collect(cache, 22_000)
    assert [entry.key for entry in done.removed] == ["old"]
    assert keys(cache) == ["new", "older"] and done.left_bytes <= 22_000


def test_a_dry_run_removes_nothing(cache):
    put(cache, "k", 1000, 100)
    assert [entry.key for entry in collect(cache, 0, dry=True).removed] == ["k"]
    assert keys(cache) == ["k"]


def test_what_a_running_build_uses_stays(cache):
    put(cache, "before", 1000, 100)
    put(cache, "used", 1000, 100)
    with cache.lease():
        assert leases(cache.folder)
        assert cache.read("lowered", "used")
        done = collect(cache, 0)
    assert keys(cache) == ["used"] and done.in_use == 1
    assert leases(cache.folder) == []
    collect(cache, 0)
    assert keys(cache) == []


def test_an_entry_whose_lock_is_held_stays(cache):
    put(cache, "k", 1000, 100)
    with cache.lock("lowered", "k"):
        assert collect(cache, 0).removed == ()
    assert [entry.key for entry in collect(cache, 0).removed] == ["k"]


def test_a_lock_that_was_collected_is_taken_anew(cache):
    """A waiter holds the file that was removed: it must not believe that it holds the lock."""
    with cache.lock("lowered", "k"):
        pass
    (lock,) = (cache.folder / "locks").iterdir()
    held = lock.open("a")
    collect(cache, 0)
    assert not lock.exists()
    with cache.lock("lowered", "k"):
        assert lock.exists()
    held.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from edgec.store.cache import Cache, _staging
cache = Cache(folder=Path(sys.argv[1]))
with cache.lease(), cache.lock("lowered", "k"), _staging(cache.folder / "lowered" / "k") as staging:
    (staging / "half").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_killed_left_is_swept_up(cache):
    (cache.folder / "lowered").mkdir(parents=True)
    subprocess.run([sys.executable, "-c", KILLED, str(cache.folder)], check=False)
    (left,) = (cache.folder / "lowered").glob(".*")
    os.utime(left, (time.time() - 3600,) * 2)
    assert leases(cache.folder) == []
    collect(cache, 10**9)
    assert [path for path in cache.folder.rglob("*") if path.is_file() or path.name.startswith(".")] == []


def test_downloads_count_and_go_too(cache):
    place = cache.folder / "downloads" / "0123456789abcdef" / "w.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * 100)
    assert [(entry.kind, entry.bytes) for entry in entries(cache.folder)] == [("downloads", 100)]
    assert damaged(cache.folder) == []
    collect(cache, 0)
    assert not place.exists()


def test_every_damaged_entry_is_named(cache):
    put(cache, "whole", 10, 1)
    (put(cache, "flipped", 10, 1).parent / "model.pte").write_bytes(b"y" * 10)
    (put(cache, "short", 10, 1).parent / "model.pte").unlink()
    found = {entry.key: why for entry, why in damaged(cache.folder)}
    assert found == {"flipped": "model.pte is not what was put in", "short": "model.pte is missing"}


def test_a_folder_that_is_none_holds_nothing(tmp_path):
    assert entries(Path(tmp_path / "absent")) == []
    assert collect(Cache(folder=tmp_path / "absent"), 0).removed == ()
