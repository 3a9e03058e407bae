"""push and pull while the machine fails them: killed at any moment, or refused any system call that changes something."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle_parts import bundle
from edgec.artifacts.image import images_of
from edgec.artifacts.reference import Reference
from edgec.stages.write import write
from edgec.store import bundles
from edgec.store import push as pushing
from edgec.store.oci import manifest
from edgec.store.transport import connected
from forked import Forked, Warm
from registries import Registry, installed, running

pytestmark = pytest.mark.skipif(
    not installed() or not shutil.which("strace"), reason="docker-registry or strace is not installed"
)

PLACES = (
    "camera/1.0.0/linux-x86_64",
    *(f"camera-1.0.0-linux-x86_64{end}" for end in (".tar.gz", ".measurements.json", ".report.html")),
)
OLD, NEW = "Reads digits.", "Reads them better."
IMPORTS = """
import edgec.commands.pull, edgec.commands.push, edgec.output.human, edgec.output.json, edgec.releases.arrive, edgec.resources
import edgec.stages.discover, edgec.store.packing, edgec.store.push, edgec.upstream.json_schema, referencing, tempfile, urllib3
from edgec.cli import main
from edgec.store import faults, upload
upload.CHUNK = 4000
faults.FIRST_PAUSE = 0.01
"""
"""The command line, all of it imported; blobs go in several pieces."""
COMMAND = f"""
import sys
{IMPORTS}
print("ready", flush=True)
sys.stdin.readline()
main(sys.argv[1:])
"""
"""The same as a process that waits for a line before it starts."""

Start = Callable[..., "subprocess.Popen[str]"]
Fork = Callable[..., Forked]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running(tmp_path_factory.mktemp("registry") / "here") as started:
        yield started


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two bundles of one name and version that differ, each in a folder of its own."""
    place = tmp_path_factory.mktemp("made")
    for number, text in enumerate((OLD, NEW)):
        write(bundle(place / f"parts-{number}", description=text), place / f"out-{number}")
    return {OLD: place / "out-0", NEW: place / "out-1"}


@pytest.fixture(scope="module")
def names(registry: Registry, made: dict[str, Path]) -> Iterator[dict[str, str]]:
    """The two as releases in the registry."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in registry.environment.items():
            patch.setenv(key, value)
        found = {}
        for number, text in enumerate((OLD, NEW)):
            found[text] = f"oci://{registry.host}/faults/camera:release-{number}"
            command = [sys.executable, "-m", "edgec", "push", made[text] / "camera/1.0.0", found[text]]
            subprocess.run(command, check=True)
        yield found


@pytest.fixture
def start(registry: Registry, tmp_path: Path) -> Start:
    """Start a command that waits for a line on its standard input."""

    def begin(arguments: list[object], *before: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **registry.environment, "EDGEC_CACHE": str(tmp_path / "cache")}
        command = [*before, sys.executable, "-c", COMMAND, *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=tmp_path)

    return begin


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    process = Warm(IMPORTS)
    yield process
    process.close()


@pytest.fixture
def fork(warm: Warm, registry: Registry, tmp_path: Path) -> Fork:
    """Start a command, with all imported already, that waits until it is told to go on; strace then knows it."""

    def begin(arguments: list[object], *strace: str) -> Forked:
        environment = {**os.environ, **registry.environment, "EDGEC_CACHE": str(tmp_path / "cache")}
        return warm.start(arguments, environment, tmp_path, strace)

    return begin


def prints(out: Path) -> tuple[str | None, ...]:
    return tuple(bundles.fingerprint(out / place) for place in PLACES)


def traced(name: str, *more: str, trace: str = os.devnull) -> tuple[str, ...]:
    return ("strace", "-f", "-qq", "-o", trace, "-e", f"trace={name}", *more)


def moments(process: Forked, trace: Path, name: str) -> range:
    """Return the numbers of all the calls of ``name`` that a command makes."""
    _, words, code = process.end()
    assert code == 0, words
    calls = sum(f" {name}(" in line for line in trace.read_text().splitlines())
    assert calls, "the call is never made"
    return range(1, calls + 1)


def visible(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


FAULTS = ("error=ENOSPC", "error=EIO", "signal=SIGKILL")


def sweep(always: set[tuple[str, str]], *names: str) -> list[object]:
    """Return each system call with each fault; all but those of ``always`` are for `make test-full`."""
    pairs = [(name, fault) for name in names for fault in FAULTS]
    return [pytest.param(*pair, marks=[] if pair in always else pytest.mark.slow) for pair in pairs]


PULL = ("mkdir", "rename", "renameat2", "fsync", "write", "unlink", "rmdir", "openat", "chmod", "fchmod")
PUSH = ("mkdir", "rename", "fsync", "write", "unlink", "rmdir", "openat", "fchmod")


@pytest.mark.parametrize(
    ("name", "fault"), sweep({("renameat2", "error=ENOSPC"), ("renameat2", "signal=SIGKILL"), ("rename", "error=EIO")}, *PULL)
)
def test_a_pull_that_is_failed_anywhere(
    name: str, fault: str, names: dict[str, str], made: dict[str, Path], fork: Fork, tmp_path: Path
) -> None:
    """The old release or the new one, whole; exit code 0 only for the new one; the next pull heals."""
    before, after = prints(made[OLD]), prints(made[NEW])
    out, trace = tmp_path / "got", tmp_path / "trace"
    pull = ["pull", names[NEW], "--out", out]

    def begin() -> None:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made[OLD], out)
        (tmp_path / "cache" / "downloads").mkdir(parents=True)

    begin()
    met = set()
    for number in moments(fork(pull, *traced(name, trace=str(trace))), trace, name):
        begin()
        _, words, code = fork(pull, *traced(name, "-e", f"inject={name}:{fault}:when={number}")).end()
        met.add(code)
        found = prints(out)
        assert all(one in (old, new) for one, old, new in zip(found, before, after, strict=True)), f"{name} {number}"
        if fault.startswith("error"):
            assert code in (0, 8), f"{name} {number}: {code} {words}"
            assert found == after or code == 8, f"{name} {number}: 0, and not the new one"
        _, words, code = fork(pull).end()
        assert code == 0 and prints(out) == after, f"{name} {number}: {words}"
        assert visible(out) == [] and not list((tmp_path / "cache").rglob("*.part"))
    assert met - {0}, "the fault was never met"


@pytest.mark.parametrize(("name", "fault"), sweep({("rename", "signal=SIGKILL"), ("rename", "error=ENOSPC")}, *PUSH))
def test_a_push_that_is_failed_anywhere(
    name: str,
    fault: str,
    registry: Registry,
    made: dict[str, Path],
    fork: Fork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tag is not there, or names the whole release; exit code 0 only for that; the next push goes through."""
    for key, value in registry.environment.items():
        monkeypatch.setenv(key, value)
    fresh = iter(range(10_000))

    def push() -> tuple[list[object], Reference]:
        repository = f"faults-{name}-{fault.partition('=')[2].lower()}/{next(fresh)}"
        where = Reference(host=registry.host, repository=repository, tag="1.0.0")
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        return ["push", made[NEW] / "camera/1.0.0", where], where

    def whole(where: Reference) -> bool:
        with connected(where) as session:
            stored = manifest(session, "1.0.0")
            if stored is None:
                return False
            assert images_of(stored.record())
            pushing.verified(session, stored)
            return True

    trace = tmp_path / "trace"
    arguments, _ = push()
    met = set()
    for number in moments(fork(arguments, *traced(name, trace=str(trace))), trace, name):
        arguments, where = push()
        _, words, code = fork(arguments, *traced(name, "-e", f"inject={name}:{fault}:when={number}")).end()
        met.add(code)
        there = whole(where)
        if fault.startswith("error"):
            assert code in (0, 8), f"{name} {number}: {code} {words}"
            assert there or code == 8, f"{name} {number}: 0, and not there"
        _, words, code = fork(arguments).end()
        assert code == 0 and whole(where), f"{name} {number}: {words}"
    assert met - {0}, "the fault was never met"


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment(
    kills: int, names: dict[str, str], made: dict[str, Path], start: Start, tmp_path: Path
) -> None:
    before, after, out = prints(made[OLD]), prints(made[NEW]), tmp_path / "got"
    dice = random.Random(11)
    for _ in range(kills):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made[OLD], out)
        process = start(["pull", names[NEW], "--out", out])
        assert process.stdin and process.stdout and process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(dice.uniform(0, 0.4))
        process.kill()
        process.communicate()
        assert all(one in (old, new) for one, old, new in zip(prints(out), before, after, strict=True))
    done = start(["pull", names[NEW], "--out", out, "--output", "json"])
    told, _ = done.communicate("\n")
    assert done.returncode == 0 and prints(out) == after and visible(out) == []
    assert json.loads(told.partition("\n")[2])["exit_code"] == 0
