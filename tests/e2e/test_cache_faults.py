"""Cache and lock while the machine fails them: killed at any moment, refused any system call, many processes at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import stub_builds
from edgec.store.cache import Cache, digests
from edgec.store.housekeeping import collect, damaged
from edgec.store.lockfile import SCHEMA, read_lock, write_lock

STUB = Path(stub_builds.__file__)

CACHE_WRITER = """
import sys
from pathlib import Path
from edgec import cores
from edgec.diagnostics import Failure
from edgec.store.cache import Cache
import concurrent.futures, ctypes, fcntl  # what is imported on the way reads files, and writes none
cores.cores, cores.WAITING = lambda: 1, 1  # strace counts each thread's calls by themselves
cache = Cache(folder=Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    with cache.lease(), cache.lock("lowered", "k"):
        entry = cache.write("lowered", "k", Path(sys.argv[2]))
        if cache.read("lowered", "k") != entry:
            sys.exit(1)
except Failure as failure:
    print(failure, file=sys.stderr)
    sys.exit(failure.exit_code)
"""

LOCK_WRITER = """
import json, sys
from pathlib import Path
from edgec.diagnostics import Failure
from edgec.store.lockfile import write_lock
import fcntl
record = json.loads(Path(sys.argv[2]).read_text())
print("ready", flush=True)
sys.stdin.readline()
try:
    write_lock(Path(sys.argv[1]), record)
except Failure as failure:
    print(failure, file=sys.stderr)
    sys.exit(failure.exit_code)
"""

OLD, NEW = {"model.pte": b"old" * 9000, "golden/0.bin": b"0"}, {"model.pte": b"new" * 9000, "golden/1.bin": b"1"}


class Entry:
    """An entry of a cache, its writer, and what may be found of it afterwards."""

    def __init__(self, folder: Path) -> None:
        self.cache = Cache(folder=folder / "cache")
        for name, files in (("old", OLD), ("new", NEW)):
            for path, content in files.items():
                (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / name / path).write_bytes(content)
        self.old, self.new = folder / "old", folder / "new"
        self.command = [CACHE_WRITER, str(self.cache.folder), str(self.new)]

    def reset(self) -> None:
        self.cache.write("lowered", "k", self.old)

    def found(self) -> str:
        """Which it is, ``old`` or ``new``; damage is a failure of the test."""
        told: list[str] = []
        entry = Cache(folder=self.cache.folder, damaged=lambda name, why: told.append(why)).read("lowered", "k")
        assert entry is not None and not told, told
        return "new" if digests(entry) == digests(self.new) else "old" if digests(entry) == digests(self.old) else "torn"

    def left(self) -> list[Path]:
        return [path for path in (self.cache.folder / "lowered").iterdir() if path.name.startswith(".")]


class Lock:
    """A manifest's lock, likewise."""

    def __init__(self, folder: Path) -> None:
        self.manifest = folder / "one.yaml"
        self.records = {name: {"schema": SCHEMA, "inputs": {"weights": name}, "targets": {}} for name in ("old", "new")}
        (folder / "new.json").write_text(json.dumps(self.records["new"]))
        self.command = [LOCK_WRITER, str(self.manifest), str(folder / "new.json")]

    def reset(self) -> None:
        write_lock(self.manifest, self.records["old"])

    def found(self) -> str:
        record = read_lock(self.manifest)
        return next((name for name, known in self.records.items() if known == record), "torn")

    def left(self) -> list[Path]:
        return [path for path in self.manifest.parent.iterdir() if path.name.startswith(".one.yaml.lock")]


@pytest.fixture(params=[Entry, Lock], ids=["cache", "lock"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Entry | Lock:
    made: Entry | Lock = request.param(tmp_path)
    return made


def start(written: Entry | Lock, *before: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    script, *arguments = written.command
    command = [*before, sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def calls(trace: Path) -> tuple[list[str], list[str]]:
    """The names of the traced system calls before, and after, the read that starts the writing."""
    lines = [line for line in trace.read_text().splitlines() if "(" in line]
    begun = max(number for number, line in enumerate(lines) if 'read(0, "\\n"' in line)
    names = [line.split("(")[0].split()[-1] for line in lines]
    return names[:begun], names[begun:]


NAMES = ("mkdir", "rename", "renameat2", "fsync", "write", "unlink", "rmdir", "openat", "fchmod", "utimensat", "sendfile")
QUICK = ("rename", "renameat2", "fsync")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in NAMES])
@pytest.mark.parametrize("fault", ["error=ENOSPC", "error=EIO", "signal=SIGKILL"])
def test_a_fault_at_every_system_call_leaves_old_or_new(name: str, fault: str, written: Entry | Lock, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    written.reset()
    start(written, "strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={name},read").communicate("\n")
    assert written.found() == "new"
    before, after = calls(trace)
    first = before.count(name)
    for number in range(first + 1, first + after.count(name) + 1):
        written.reset()
        inject = f"inject={name}:{fault}:when={number}"
        process = start(written, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={name}", "-e", inject)
        _, words = process.communicate("\n")
        found = written.found()
        assert found in ("old", "new"), f"{name} {number}"
        if fault.startswith("error"):
            assert process.returncode in (0, 8), f"{name} {number}: {words}"
            assert process.returncode == 8 or found == "new"
        start(written).communicate("\n")
        assert written.found() == "new" and written.left() == []


@pytest.mark.parametrize("kills", [10, pytest.param(150, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_old_or_new(kills: int, written: Entry | Lock) -> None:
    dice = random.Random(7)
    for _ in range(kills):
        written.reset()
        process = start(written)
        assert process.stdout and process.stdout.readline() == "ready\n" and process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(dice.uniform(0, 0.02))
        process.kill()
        process.communicate()
        assert written.found() in ("old", "new")
    start(written).communicate("\n")
    assert written.found() == "new" and written.left() == []


@pytest.fixture
def building(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a build of one manifest around the stand-in for the lowering, with one cache and the out folder given."""
    manifests = stub_builds.project(tmp_path / "project", "one")
    (tmp_path / "lowerings").touch()

    def begin(out: Path, seconds: float = 0.0) -> subprocess.Popen[str]:
        environment = {**os.environ, "EDGEC_CACHE": str(tmp_path / "cache"), "STUB_SECONDS": str(seconds)}
        command = [sys.executable, str(STUB), str(tmp_path / "lowerings"), "build", str(manifests), "--out", str(out)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)

    begin(tmp_path / "warm").communicate()  # makes the stand-ins
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "lowerings").write_text("")
    return begin


def test_many_processes_lower_a_key_once(building: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    processes = [building(tmp_path / f"out-{number}", 0.5) for number in range(4)]
    assert [(process.communicate()[0], process.returncode)[1] for process in processes] == [0] * 4
    assert len((tmp_path / "lowerings").read_text().splitlines()) == 1
    tarballs = {path.read_bytes() for path in tmp_path.glob("out-*/*.tar.gz")}
    assert len(tarballs) == 1 and len(list(tmp_path.glob("out-*/*.tar.gz"))) == 4


def test_a_killed_holder_leaves_its_key_to_the_next(building: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    holder = building(tmp_path / "out-1", 60)
    while not list((tmp_path / "cache").glob("locks/lowered-*")):
        assert holder.poll() is None
        time.sleep(0.05)
    waiting = building(tmp_path / "out-2")
    time.sleep(1)
    holder.kill()
    holder.communicate()
    assert (waiting.communicate()[0], waiting.returncode)[1] == 0


def test_a_build_killed_at_any_moment_is_healed_by_the_next(
    building: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    dice, out = random.Random(11), tmp_path / "out"
    start = time.monotonic()
    building(tmp_path / "other").communicate()
    whole = time.monotonic() - start
    for _ in range(4):
        shutil.rmtree(tmp_path / "cache")
        process = building(out)
        time.sleep(dice.uniform(0.3, 1.0) * whole)
        process.kill()
        process.communicate()
        assert damaged(tmp_path / "cache") == []
        healed = building(out)
        words, _ = healed.communicate()
        assert healed.returncode == 0, words
        assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert collect(Cache(folder=tmp_path / "cache"), 0).left_bytes == 0
