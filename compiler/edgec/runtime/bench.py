"""The bundle's runner, clocked on this machine against a throw-away bundle folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.bundle import Layout, Runner
from edgec.artifacts.description import describe
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic, Failure
from edgec.runtime import process

TIME_LIMIT_SECONDS = 600.0
"""Beside the seconds of load that are asked for."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How much is clocked: inferences, ``passes`` of the whole pipeline, and after how many seconds of load each time."""

    samples: int
    passes: int = 0
    loads: tuple[float, ...] = ()


def bench(plan: Plan, lowered: Lowered, folder: Path, runner: Runner, asked: Asked) -> Json:
    """Return the runner's ``--self-test`` bench record: golden vectors first, then single-stream inferences, then passes.

    Raises Failure ``runner-failed`` when the runner ends with anything but success, with its own last words.
    """
    with bundle_folder(plan, lowered, folder, runner) as place:
        return _self_test(place, asked)


@contextlib.contextmanager
def bundle_folder(plan: Plan, lowered: Lowered, folder: Path, runner: Runner) -> Iterator[Path]:
    """Yield a folder that the runner takes for a bundle, with the job's model.pte and golden vectors; then remove it."""
    with tempfile.TemporaryDirectory(prefix="edgec-bench-") as name:
        place = Path(name)
        for part in ("bin", "lib"):
            (place / part).mkdir()
        shutil.copy(runner.executable, place / "bin" / "edgec-run")
        for library in runner.libraries:
            shutil.copy(library, place / "lib" / library.name)
        shutil.copy(folder / "model.pte", place / "model.pte")
        shutil.copytree(folder / "golden", place / "tests" / "golden")
        record = {**describe(plan, lowered, Layout(pictures=True)), "budgets": [], "verdicts": [], "figures": []}
        (place / "bundle.json").write_text(json.dumps(record))
        yield place


def _self_test(place: Path, asked: Asked) -> Json:
    command = [str(place / "bin" / "edgec-run"), "--self-test", "--evidence", "host"]
    command += ["--samples", str(asked.samples), "--passes", str(asked.passes)]
    command += [word for seconds in asked.loads for word in ("--after", f"{seconds:g}")]
    passes = asked.passes * (1 + len(asked.loads))
    limit = TIME_LIMIT_SECONDS * (1 + passes / asked.samples) + 1.2 * max(asked.loads, default=0.0)
    try:
        done = process.run(command, seconds=limit)
    except subprocess.TimeoutExpired:
        raise _failed(f"the runner did not finish {asked.samples} inferences in {limit:.0f} s") from None
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or [f"it {process.how_it_ended(done.returncode)}"])[-1]
        raise _failed(f"the native runner refuses the artifact: {words}")
    return json.loads(done.stdout)["bench"]


def _failed(message: str) -> Failure:
    return Failure(Diagnostic(code="runner-failed", message=message))
