"""What is used least recently goes first, what a build uses stays, and what the killed left is swept up."""

import ast
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgec.store.cache import Cache
from edgec.store.housekeeping import KEYS, collect, damaged, entries, leases

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cache(tmp_path):
    return Cache(folder=tmp_path / "cache")


def key(name):
    return hashlib.sha256(name.encode()).hexdigest()


def put(cache, name, size, age):
    """Write an entry of about ``size`` bytes that was last used ``age`` seconds ago."""
    cache.keep("lowered", key(name), "model.pte", b"x" * size)
    index = cache.folder / "lowered" / key(name) / "entry.json"
    os.utime(index, (time.time() - age,) * 2)
    return index


def keys(cache):
    return {entry.key for entry in entries(cache.folder)}


def test_the_least_recently_used_goes_first(cache):
    for name, age in (("old", 300), ("older", 400), ("new", 200)):
        put(cache, name, 10_000, age)
    assert cache.read("lowered", key("older"))
    done = collect(cache, 22_000)
    assert [entry.key for entry in done.removed] == [key("old")]
    assert keys(cache) == {key("new"), key("older")} and done.left_bytes <= 22_000


def test_a_dry_run_removes_nothing(cache):
    put(cache, "k", 1000, 100)
    assert [entry.key for entry in collect(cache, 0, dry=True).removed] == [key("k")]
    assert keys(cache) == {key("k")}


def test_what_a_running_build_uses_stays(cache):
    put(cache, "before", 1000, 100)
    put(cache, "used", 1000, 100)
    with cache.lease():
        assert leases(cache.folder)
        assert cache.read("lowered", key("used"))
        done = collect(cache, 0)
    assert keys(cache) == {key("used")} and done.in_use == 1
    assert leases(cache.folder) == []
    collect(cache, 0)
    assert keys(cache) == set()


def test_an_entry_whose_lock_is_held_stays(cache):
    put(cache, "k", 1000, 100)
    with cache.lock("lowered", key("k")):
        assert collect(cache, 0).removed == ()
    assert [entry.key for entry in collect(cache, 0).removed] == [key("k")]


def test_a_lock_that_was_collected_is_taken_anew(cache):
    """A waiter holds the file that was removed: it must not believe that it holds the lock."""
    with cache.lock("lowered", key("k")):
        pass
    (lock,) = (cache.folder / "locks").iterdir()
    held = lock.open("a")
    collect(cache, 0)
    assert not lock.exists()
    with cache.lock("lowered", key("k")):
        assert lock.exists()
    held.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from edgec.store.cache import Cache, _staging
cache = Cache(folder=Path(sys.argv[1]))
with cache.lease(), cache.lock("lowered", sys.argv[2]), _staging(cache.folder / "lowered" / sys.argv[2]) as staging:
    (staging / "half").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_killed_left_is_swept_up(cache):
    (cache.folder / "lowered").mkdir(parents=True)
    subprocess.run([sys.executable, "-c", KILLED, str(cache.folder), key("k")], check=False)
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
    assert found == {key("flipped"): "model.pte is not what was put in", key("short"): "model.pte is missing"}


FOREIGN = (
    "project/.git/HEAD",
    "thesis/chapter/text.tex",
    "built/release/app",
    "last/.git/HEAD",
    "lowered/.notes-of-mine/page",
    "downloads/films/film.mkv",
    "downloads/.cached/page",
    "runtime/java/release",
    "locks/front-door",
    "leases/flat.pdf",
)
"""What may lie in a folder that EDGEC_CACHE names, below folders named like edgec's kinds too."""


def test_what_is_not_the_caches_stays(cache):
    for name in FOREIGN:
        path = cache.folder / name
        path.parent.mkdir(parents=True)
        path.write_text("of the user")
        for place in (path, path.parent):
            os.utime(place, (time.time() - 3600,) * 2)
    (cache.folder / "locks" / "a-folder").mkdir()
    put(cache, "k", 1000, 100)
    assert keys(cache) == {key("k")} and damaged(cache.folder) == [] and leases(cache.folder) == []
    assert [entry.key for entry in collect(cache, 0).removed] == [key("k")]
    assert [name for name in FOREIGN if not (cache.folder / name).is_file()] == []


@pytest.mark.parametrize(
    "name",
    [f"lowered/.{'0a' * 6}-ab_12xyz", f"lowered/.{'0a' * 6}-ab_12xyz.old", f"downloads/.{'0a' * 6}-ab_12xyz",
     "runtime/.fetch-ab_12xyz", "runtime/.openvino-ab_12xyz", "runtime/.executorch-1-ab_12xyz"],
)  # fmt: skip
def test_every_kind_of_staging_folder_is_swept_up(cache, name):
    left = cache.folder / name
    left.mkdir(parents=True)
    os.utime(left, (time.time() - 3600,) * 2)
    collect(cache, 10**9)
    assert not left.exists()


SOURCE = ROOT / "compiler" / "edgec"
METHODS = {"write", "keep", "read", "peek", "lock", "remove"}
GIVEN = {("once.py", "kind"), ("unfinished.py", "self.kind")}
"""Where a kind is a parameter: its callers name it."""


def text(path, name):
    """The text that a module gives ``name``, or the module that it imports it from."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in [each.name for each in node.names]:
            return text(ROOT / "compiler" / f"{node.module.replace('.', '/')}.py", name)
        if isinstance(node, ast.Assign):
            names, values = (ast.unparse(side).strip("()").split(", ") for side in (node.targets[0], node.value))
            if name in names:
                return values[names.index(name)].strip("'")
    raise AssertionError(f"{path} gives {name} no value")


def kind_of(node):
    """The expression for a kind in a call of a cache, of ``once`` or Unfinished, or in a path below the cache; else None."""
    if isinstance(node, ast.BinOp):
        return node.right if ast.unparse(node.left) in ("cache", "default_folder()") else None
    if isinstance(node, ast.AnnAssign):  # the default of Unfinished
        return node.value if ast.unparse(node.target) == "kind" else None
    if not isinstance(node, ast.Call):
        return None
    *owner, called = ast.unparse(node.func).split(".")
    if called == "Unfinished":
        return next((word.value for word in node.keywords if word.arg == "kind"), None)
    if owner[-1:] == ["cache"] and called in METHODS:
        return node.args[0]
    return node.args[1] if (owner, called, len(node.args)) == ([], "once", 4) else None


def test_every_kind_is_known():
    """What is kept under another kind, ``edgec cache`` would neither see nor remove."""
    used = {"downloads"}  # fetch.py is given the cache's folder under another name
    for path in sorted(SOURCE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        found = [ast.unparse(kind) for node in ast.walk(ast.parse(source)) if "cache" in source and (kind := kind_of(node))]
        for kind in found:
            if (path.name, kind) not in GIVEN:
                used.add(kind.strip("'") if "'" in kind else text(path, kind))
    assert used == set(KEYS)


def test_the_manual_names_every_kind():
    manual = (ROOT / "docs" / "cache.md").read_text(encoding="utf-8")
    assert [kind for kind in KEYS if f"| `{kind}`" not in manual and f", `{kind}` |" not in manual] == []


def test_a_folder_that_is_none_holds_nothing(tmp_path):
    assert entries(Path(tmp_path / "absent")) == []
    assert collect(Cache(folder=tmp_path / "absent"), 0).removed == ()
