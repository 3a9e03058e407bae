"""Signing while the machine fails it: killed, or refused any system call that changes something; old or new, never torn."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_parts import bundle
from edgec.artifacts.bundle import Written
from edgec.stages.write import write
from edgec.store.keys import private_key, public_key
from edgec.store.release import sign_bundle
from edgec.store.signatures import signers
from keys import Pair, pair

SIGNER = """
import sys
from pathlib import Path
from edgec import cores
from edgec.diagnostics import Failure
from edgec.store.keys import private_key
from edgec.store.release import sign_bundle
cores.cores, cores.WAITING = lambda: 1, 1  # strace counts each thread's calls by themselves
key = private_key(Path(sys.argv[1]).read_bytes(), "", lambda: None)
sign_bundle(Path(sys.argv[3]), key)  # elsewhere: now every module is loaded, and the faults hit the signing alone
print("ready", flush=True)
sys.stdin.readline()
try:
    sign_bundle(Path(sys.argv[2]), key)
except Failure as failure:
    print(failure, file=sys.stderr, flush=True)
    sys.exit(failure.exit_code)
"""
SHORT = [(name, "folder") for name in ("rename", "fsync", "write", "openat")]
SLOW = [(name, "folder") for name in ("fchmod", "unlink", "flock")] + [
    (name, "tarball") for name in ("mkdir", "rmdir", "unlinkat", "write", "openat")
]
"""System calls; a tarball is unpacked into a temporary folder, which makes many more of them."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: pair(folder, name, "ed25519") for name in ("old", "new")}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return write(bundle(tmp_path / "parts"), tmp_path / "out")


@pytest.fixture
def start(tmp_path: Path, keys: dict[str, Pair]) -> Callable[..., subprocess.Popen[str]]:
    """Start a process that signs a bundle with the new key once a line comes in."""
    warm = write(bundle(tmp_path / "warm-parts"), tmp_path / "warm").tarball

    def run(what: Path, *before: str) -> subprocess.Popen[str]:
        for left in warm.parent.glob("*.intoto.jsonl"):  # each process makes the same calls before it is ready
            left.unlink()
        command = [*before, sys.executable, "-c", SIGNER, str(keys["new"].private), str(what), str(warm)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    return run


def lines(trace: Path) -> list[str]:
    return [line for line in trace.read_text().splitlines() if "(" in line and "resumed" not in line]


def span(trace: Path, name: str) -> list[int]:
    """The numbers, counted from 1, of the changing calls of ``name`` after the read of the line that starts the signing."""
    calls = lines(trace)
    start = max(number for number, line in enumerate(calls) if 'read(0, "\\n"' in line)
    named = [(number, line) for number, line in enumerate(calls) if f" {name}(" in f" {line}"]
    changing = "O_CREAT" if name == "openat" else ""
    return [count for count, (number, line) in enumerate(named, 1) if number > start and changing in line]


def signed_by_old(what: Path, place: Path, keys: dict[str, Pair]) -> bytes:
    """Sign with the old key alone, and return the file."""
    place.unlink(missing_ok=True)
    return sign_bundle(what, private_key(keys["old"].private.read_bytes(), "", lambda: None)).signature.read_bytes()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize(("name", "form"), [*SHORT, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)])
def test_a_fault_at_every_system_call_leaves_old_or_new(
    name: str, form: str, written: Written, keys: dict[str, Pair], tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    trace, place = tmp_path / "trace", written.tarball.with_name("camera-1.0.0-linux-x86_64.intoto.jsonl")
    what: Path = getattr(written, form)
    if form == "folder":
        written.tarball.unlink()
    before = signed_by_old(what, place, keys)
    start(what, "strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={name},read").communicate("\n")
    after = place.read_bytes()
    assert len(after) > len(before), "an Ed25519 signature of one statement is always the same, so `after` is known"
    numbers = span(trace, name)
    assert numbers, "the call is never made while signing"
    for number, fault in itertools.product(numbers, ("error=ENOSPC", "error=EIO", "signal=SIGKILL")):
        signed_by_old(what, place, keys)
        inject = f"inject={name}:{fault}:when={number}"
        process = start(what, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={name}", "-e", inject)
        _, words = process.communicate("\n")
        assert place.read_bytes() in (before, after), f"{name} {number} {fault}: torn"
        struck = (0, 8) if fault.startswith("error") else (-signal.SIGKILL,)
        assert process.returncode in struck, f"{name} {number} {fault}: {words}"
        assert process.returncode != 0 or place.read_bytes() == after, f"{name} {number} {fault}: said to be signed"
        # The next run heals.
        sign_bundle(what, private_key(keys["new"].private.read_bytes(), "", lambda: None))
        assert place.read_bytes() == after
        assert not [path.name for path in place.parent.iterdir() if path.name.startswith(".")]
    trusted = [public_key(keys[which].public.read_bytes(), which) for which in keys]
    assert len(signers(after, "", trusted, needed=2)[0]) == 2
