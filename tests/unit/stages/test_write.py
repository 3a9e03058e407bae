"""Writing a bundle: the same bytes anywhere, old or new and never a mixture, nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bundle_parts import bundle
from edgec.artifacts.bundle import Bundle, File, Written
from edgec.diagnostics import Failure
from edgec.stages import write as stage
from edgec.stages.write import write
from edgec.store import atomic, bundles

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
    return tuple(stage._fingerprint(out / place) for place in PLACES)


def everything(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*")}


def test_a_bundle_lies_where_it_belongs(old: Bundle, tmp_path: Path) -> None:
    written = write(old, tmp_path / "out")
    assert written.folder == tmp_path / "out" / PLACES[0]
    assert bundles.check(written.folder) == old.digest
    assert written.tarball_sha256 == atomic.sha256_file(written.tarball)
    assert json.loads(written.measurements.read_bytes())["bundle_sha256"] == old.digest
    assert written.report.read_bytes() == old.report
    assert {name for name in everything(tmp_path / "out") if name.startswith(".")} == set()


def test_a_rejected_bundle_lies_apart_and_leaves_the_accepted_one(old: Bundle, new: Bundle, tmp_path: Path) -> None:
    kept = write(old, tmp_path / "out")
    written = write(replace(new, rejected=True), tmp_path / "out")
    assert written.folder == tmp_path / "out" / "rejected" / PLACES[0]
    assert bundles.check(kept.folder) == old.digest


def test_the_same_bundle_twice_gives_the_same_bytes(old: Bundle, tmp_path: Path) -> None:
    again = bundle(tmp_path / "again")
    one, two = write(old, tmp_path / "one"), write(again, tmp_path / "a folder" / "two")
    assert one.tarball.read_bytes() == two.tarball.read_bytes()


def test_a_second_write_replaces_the_first_whole(old: Bundle, new: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = write(old, out)
    (first.folder / "of-the-user").touch()
    before = prints(out)
    second = write(new, out)
    assert bundles.check(second.folder) == new.digest
    assert None not in prints(out)
    assert not set(before) & set(prints(out))
    assert not (first.folder / "of-the-user").exists()


def test_one_step_replacement_is_not_needed(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "_renameat2", lambda: None)
    write(old, tmp_path / "out")
    assert bundles.check(write(new, tmp_path / "out").folder) == new.digest


def refused(bundle_: Bundle, out: Path) -> list[str]:
    with pytest.raises(Failure) as caught:
        write(bundle_, out)
    return [found.code for found in caught.value.diagnostics]


@pytest.mark.parametrize("which", range(4))
def test_a_move_that_fails_puts_everything_back(
    which: int, old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(old, out)
    before, names = prints(out), everything(out)
    real, calls = atomic.exchange, iter(range(100))

    def failing(staged: Path, final: Path) -> bool:
        if next(calls) == which:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(staged, final)

    monkeypatch.setattr(stage, "exchange", failing)
    assert refused(new, out) == ["disk-full"]
    assert prints(out) == before
    assert everything(out) == names


def test_a_first_write_that_fails_leaves_nothing(old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(staged: Path, final: Path) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stage, "exchange", full)
    assert refused(old, tmp_path / "deep" / "out") == ["disk-full"]
    assert not (tmp_path / "deep").exists()


def test_an_interrupt_between_two_moves_puts_everything_back(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(old, out)
    before = prints(out)
    real, calls = atomic.exchange, iter(range(100))

    def interrupted(staged: Path, final: Path) -> bool:
        done = real(staged, final)
        if next(calls) == 1:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(stage, "exchange", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(new, out)
    assert prints(out) == before


def test_what_reads_back_differently_is_refused(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(old, out)
    before = prints(out)
    monkeypatch.setattr(stage.archive, "pack", lambda folder, top, tarball: tarball.write_bytes(b"\x1f\x8b garbage"))
    assert refused(new, out) == ["bundle-broken"]
    assert prints(out) == before


def test_a_source_that_changed_since_it_was_hashed_is_refused(old: Bundle, tmp_path: Path) -> None:
    changed = File(content=tmp_path / "other.pte")
    (tmp_path / "other.pte").write_bytes(b"not what was hashed")
    assert refused(replace(old, files={**old.files, "model.pte": changed}), tmp_path / "out") == ["digest-mismatch"]


def test_a_file_in_the_way_is_an_environment_error(old: Bundle, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    assert refused(old, tmp_path / "out") == ["not-writable"]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "camera").write_text("a file")
    assert refused(old, tmp_path / "more") == ["not-writable"]
    assert everything(tmp_path / "more") == {"camera"}


WRITER = """
import fcntl, pickle, sys
from pathlib import Path
from edgec.diagnostics import Failure
from edgec.stages.write import write
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
        command = [*before, sys.executable, "-c", WRITER, str(tmp_path / "new.pickle"), str(out)]
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


def test_a_killed_write_with_a_journal_is_finished_by_the_next_one(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = states(old, new, tmp_path)
    out = tmp_path / "out"
    write(old, out)
    process = os.fork()
    if process == 0:  # the child dies after the first of four moves
        real = atomic.exchange

        def deadly(staged: Path, final: Path) -> bool:
            real(staged, final)
            os.kill(os.getpid(), signal.SIGKILL)
            return True

        stage.exchange = deadly  # type: ignore[attr-defined]
        write(new, out)
    os.waitpid(process, 0)
    assert prints(out) == (after[0], *before[1:])
    other = replace(old, target="another")
    write(other, out)
    assert prints(out) == after


def test_a_dead_staging_folder_is_cleared_away(old: Bundle, tmp_path: Path) -> None:
    (tmp_path / "out" / stage.STAGING / "half").mkdir(parents=True)
    written: Written = write(old, tmp_path / "out")
    assert bundles.check(written.folder)
    assert not [name for name in everything(tmp_path / "out") if name.startswith(".")]
