"""Writing a bundle while the machine fails it: killed at any moment, or refused any system call."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_parts import bundle
from edgec.artifacts.bundle import Bundle
from edgec.stages.write import write
from edgec.store import bundles

PLACES = (
    "camera/1.0.0/linux-x86_64",
    *(f"camera-1.0.0-linux-x86_64{end}" for end in (".tar.gz", ".measurements.json", ".report.html")),
)


@pytest.fixture
def old(tmp_path: Path) -> Bundle:
    return bundle(tmp_path / "old-parts")


@pytest.fixture
def new(tmp_path: Path) -> Bundle:
    return bundle(tmp_path / "new-parts", description="Another one.")


def prints(out: Path) -> tuple[str | None, ...]:
    """What lies in the four places: digests, or None."""
    return tuple(bundles.fingerprint(out / place) for place in PLACES)


def everything(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*")}


WRITER = """
import fcntl, pickle, sys
from pathlib import Path
from edgec import cores
from edgec.diagnostics import Failure
from edgec.stages.write import write
if "alone" in sys.argv[3:]:
    cores.cores, cores.WAITING = lambda: 1, 1
bundle = pickle.loads(Path(sys.argv[1]).read_bytes())
print("ready", flush=True)
sys.stdin.readline()
try:
    write(bundle, Path(sys.argv[2]))
except Failure as failure:
    print(failure, file=sys.stderr)
    sys.exit(failure.exit_code)
"""


@pytest.fixture
def writer(new: Bundle, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a process that writes the new bundle into the given folder once a line comes in."""
    import pickle

    (tmp_path / "new.pickle").write_bytes(pickle.dumps(new))

    def start(out: Path, *before: str) -> subprocess.Popen[str]:
        alone = ["alone"] if before else []  # strace counts each thread's calls by themselves
        command = [*before, sys.executable, "-c", WRITER, str(tmp_path / "new.pickle"), str(out), *alone]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    return start


def states(old: Bundle, new: Bundle, tmp_path: Path) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
    found = []
    for position, item in enumerate((old, new)):
        write(item, tmp_path / f"state-{position}")
        found.append(prints(tmp_path / f"state-{position}"))
    return found[0], found[1]


def check_old_or_new(out: Path, before: tuple[str | None, ...], after: tuple[str | None, ...]) -> None:
    """Each of the four is the old or the new one, whole; the next write finds its way."""
    for found, one, two in zip(prints(out), before, after, strict=True):
        assert found in (one, two)


@pytest.mark.parametrize("kills", [15, pytest.param(150, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_old_or_new(
    kills: int, old: Bundle, new: Bundle, tmp_path: Path, writer: Callable[..., subprocess.Popen[str]]
) -> None:
    before, after = states(old, new, tmp_path)
    dice = random.Random(7)
    out = tmp_path / "out"
    for _ in range(kills):
        write(old, out)
        assert prints(out) == before
        process = writer(out)
        assert process.stdout and process.stdout.readline() == "ready\n"
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(dice.uniform(0, 0.05))
        process.kill()
        process.communicate()
        check_old_or_new(out, before, after)
    write(new, out)
    assert prints(out) == after
    assert not [name for name in everything(out) if name.startswith(".")]


def syscalls(trace: Path) -> list[str]:
    return [line.split("(")[0].split()[-1] for line in trace.read_text().splitlines() if "(" in line]


NAMES = ("mkdir", "rename", "renameat2", "fsync", "write", "unlink", "rmdir", "openat")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if "rename" in name else pytest.mark.slow) for name in NAMES]
)
@pytest.mark.parametrize("fault", ["error=ENOSPC", "signal=SIGKILL"])
def test_a_fault_at_every_system_call_leaves_old_or_new(
    name: str, fault: str, old: Bundle, new: Bundle, tmp_path: Path, writer: Callable[..., subprocess.Popen[str]]
) -> None:
    before, after = states(old, new, tmp_path)
    out, trace = tmp_path / "out", tmp_path / "trace"
    write(old, out)
    counted = writer(out, "strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={name},read")
    counted.communicate("\n")
    calls = syscalls(trace)
    first = calls.count(name) - calls[last_read(trace) :].count(name)
    assert calls.count(name) > first, "the call is never made while writing"
    for number in range(first + 1, calls.count(name) + 1):
        write(old, out)
        inject = f"inject={name}:{fault}:when={number}"
        process = writer(out, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={name}", "-e", inject)
        _, words = process.communicate("\n")
        check_old_or_new(out, before, after)
        if fault.startswith("error"):
            assert process.returncode in (0, 8), f"{name} {number}: {words}"
            assert prints(out) in ((after,) if process.returncode == 0 else (before, after))
        write(new, out)
        assert prints(out) == after
        assert not [found for found in everything(out) if found.startswith(".")]


def last_read(trace: Path) -> int:
    """The position, among the traced calls, of the read of the line that starts the writing."""
    lines = [line for line in trace.read_text().splitlines() if "(" in line]
    return max(number for number, line in enumerate(lines) if 'read(0, "\\n"' in line)
