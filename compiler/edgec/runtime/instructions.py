"""Instructions per inference on a target's CPU: its own runner under qemu-user, counted by a plugin of edgec's own."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgec.artifacts.bundle import Runner
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Figure
from edgec.artifacts.plan import Plan
from edgec.artifacts.target import Target
from edgec.diagnostics import Diagnostic, Failure
from edgec.resources import PACKAGE
from edgec.runtime import process
from edgec.runtime.bench import bundle_folder
from edgec.runtime.emulate import emulator
from edgec.runtime.toolchain import ZIG
from edgec.store.cache import Cache

SOURCE = PACKAGE / "runtime" / "instructions.c"
MARKERS = {"aarch64": 173, "x86_64": 110}
"""The number of getppid, the runner's mark, in each architecture's Linux: asm-generic/unistd.h, x86's syscall_64.tbl."""

WARMUP = 1
ITERATIONS = 3
TIME_LIMIT_SECONDS = 600.0
COMPILE_SECONDS = 120.0
FLAGS = ("-std=c11", "-O2", "-g0", "-s", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")

_log = logging.getLogger(__name__)


class _Unavailable(Exception):
    """No count can be had here; the message says why."""


def instructions(plan: Plan, lowered: Lowered, folder: Path, runner: Runner, cache: Cache | None = None) -> Figure | None:
    """Return how many instructions of the target one inference of ``folder``'s model.pte takes, on one thread.

    The median of ITERATIONS, or of one for each golden vector where an input is dynamic; each is counted between two
    marks of the runner, so neither start-up nor the first inference's preparations are in it. ``spread`` in the detail
    is the largest less the smallest. Instructions are not time: the evidence is ``estimated``.
    None, with the reason in the log, where ``missing`` gives one, where qemu does not load the plugin, and where
    counting takes longer than TIME_LIMIT_SECONDS. Raises Failure ``runner-failed`` when the runner refuses the artifact.
    """
    dynamic = any(not axis.fixed for item in plan.inputs for axis in item.shape)
    iterations = max(1, len(lowered.golden)) if dynamic else ITERATIONS
    try:
        with tempfile.TemporaryDirectory(prefix="edgec-count-") as scratch:
            command = _emulator(plan.target, Path(scratch))
            plugin = _plugin(_interface(command[0]), cache, Path(scratch))
            with bundle_folder(plan, lowered, folder, runner) as place:
                counts = _counts(command, plugin, MARKERS[plan.target.architecture], place, iterations)
    except _Unavailable as reason:
        _log.warning("instructions per inference are not counted for %s: %s", plan.target.name, reason)
        return None
    spread = max(counts) - min(counts)
    return Figure(
        name="instructions",
        value=float(statistics.median(counts)),
        unit="instructions",
        evidence="estimated",
        samples=iterations,
        detail={"cpu": plan.target.qemu_cpu, "threads": 1, "iterations": iterations, "spread": spread},
    )


def missing(target: Target) -> str | None:
    """Return why instructions cannot be counted here for ``target``, or None; a look at the tools, not a trial."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgec-count-") as scratch:
            _interface(_emulator(target, Path(scratch))[0])
    except _Unavailable as reason:
        return str(reason)
    return None


def _emulator(target: Target, scratch: Path) -> tuple[str, ...]:
    """The command that runs the target's programs under qemu, even where this machine could run them itself."""
    if target.architecture not in MARKERS:
        raise _Unavailable(f"no mark is known for {target.architecture}")
    try:
        return emulator(target, scratch).command
    except Failure as failure:
        raise _Unavailable(failure.diagnostics[0].message) from None


def _interface(qemu: str) -> int:
    """The version of the plugin interface to ask for: 2 since qemu 9.0, which dropped what came before; else 1."""
    said = subprocess.run([qemu, "-version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+)\.", said)
    if not found:
        raise _Unavailable(f"{Path(qemu).name} does not tell its version")
    return 2 if int(found[1]) >= 9 else 1


def _plugin(interface: int, cache: Cache | None, scratch: Path) -> Path:
    """The plugin, compiled for this machine, from the cache where the same one was compiled before."""
    if cache is None:
        return _compiled(interface, scratch)
    parts = [interface, platform.machine(), SOURCE.read_text(encoding="utf-8"), *_compiler(interface)[1:]]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    with cache.lock("plugin", key):
        entry = cache.read("plugin", key)
        if entry is None:
            (scratch / "entry").mkdir()
            _compiled(interface, scratch / "entry")
            entry = cache.write("plugin", key, scratch / "entry")
    return entry / "libinstructions.so"


def _compiler(interface: int) -> list[str]:
    """zig, as for the runner: it comes with edgec and needs no header or library of this machine."""
    goal = f"{platform.machine()}-linux-gnu.2.17"
    return [sys.executable, "-m", ZIG, "cc", "-target", goal, "-mcpu=baseline", *FLAGS, f"-DVERSION={interface}"]


def _compiled(interface: int, folder: Path) -> Path:
    out = folder / "libinstructions.so"
    with tempfile.TemporaryDirectory(prefix="edgec-zig-") as scratch:
        environment = {**os.environ, "LC_ALL": "C", "ZIG_LOCAL_CACHE_DIR": scratch}
        command = [*_compiler(interface), str(SOURCE), "-o", str(out)]
        try:
            done = process.run(command, seconds=COMPILE_SECONDS, env=environment)
        except subprocess.TimeoutExpired:
            raise _Unavailable(f"the plugin's compiler did not finish in {COMPILE_SECONDS:.0f} s") from None
    if done.returncode:
        raise _Unavailable(f"the plugin does not compile: {_first(done.stderr)}")
    return out


def _counts(command: Sequence[str], plugin: Path, marker: int, place: Path, iterations: int) -> list[int]:
    """Run the runner in ``place``, a bundle's folder, and return the instructions of each inference after WARMUP."""
    told = str(plugin).replace(",", ",,")
    bench = ["--bench", "--mark", "--threads", "1", "--warmup", str(WARMUP), "--samples", str(iterations)]
    with tempfile.TemporaryFile() as marks:
        counting = ["-plugin", f"file={told},fd={marks.fileno()},marker={marker}"]
        try:
            counted = [*command, *counting, str(place / "bin" / "edgec-run"), *bench]
            done = process.run(counted, seconds=TIME_LIMIT_SECONDS, pass_fds=(marks.fileno(),))
        except subprocess.TimeoutExpired:
            raise _Unavailable(f"{WARMUP + iterations} inferences took over {TIME_LIMIT_SECONDS:.0f} s") from None
        marks.seek(0)
        totals = [int(line) for line in marks.read().split()]
    if "Could not load plugin" in done.stderr:
        raise _Unavailable(_first(done.stderr))
    if done.returncode or len(totals) != 2 * iterations:
        words = _first(done.stderr) or f"exit code {done.returncode} after {len(totals)} of {2 * iterations} marks"
        message = f"the runner refuses the artifact under {Path(command[0]).name}: {words}"
        raise Failure(Diagnostic(code="runner-failed", message=message))
    return [end - start for start, end in zip(totals[::2], totals[1::2], strict=True)]


def _first(words: str) -> str:
    lines = words.strip().splitlines()
    return next((line for line in lines if "error" in line), lines[0] if lines else "")
