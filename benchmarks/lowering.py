"""The load-quantize-lower part of a build beside the plain ExecuTorch script that does the same work, whole processes.

edgec's part ends when the .pte's bytes are there; it includes starting the job, and comparing eager, exported and
quantized answers, which the script does not do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECIPES = ("fp32", "fp16", "bf16", "int8", "int8-dynamic", "int4")
UPSTREAM = ("fp32", "int8")
"""Recipes that are upstream's: the script, on one thread and with what edgec does otherwise, must come to the same
bytes. The others differ on purpose."""

LIMIT = 0.7


def camera_plan(recipe: str, samples: int):
    from edgec import pipeline
    from edgec.artifacts.manifest import Choice
    from edgec.stages.plan import plan as expand

    checked = pipeline.front(HERE.parent / "manifests" / "camera.yaml")
    plan = expand(checked)[0]
    data = tuple(
        replace(item, options={**item.options, "samples": samples}) if item.role == "calibration" else item
        for item in plan.data
    )
    return replace(plan, data=data, recipe=Choice(name=recipe)), checked.project


def ours(recipe: str, samples: int) -> tuple[float, float, bytes]:
    """Return seconds until the artifact is lowered, and until it is compared and evaluated as well; and the artifact."""
    from edgec import job

    plan, project = camera_plan(recipe, samples)
    marks = {}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        job.run(plan, project, Path(folder), lambda line: marks.update({line.split()[0]: time.perf_counter() - start}))
        return marks["lower"], time.perf_counter() - start, (Path(folder) / "model.pte").read_bytes()


def plain(recipe: str, samples: int, *more: str, threads: int | None = None) -> tuple[float, bytes]:
    """Return the script's seconds and its .pte; with torch's own number of threads unless another is given."""
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model.pte"
        command = [sys.executable, str(HERE / "plain_executorch.py"), "--recipe", recipe, "--samples", str(samples), *more]
        start = time.perf_counter()
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*command, "--out", out], check=True, env=environment, **silent)
        return time.perf_counter() - start, out.read_bytes()


def compared(recipe: str, samples: int, rounds: int) -> list[tuple[str, float, float, float]]:
    """Return two rows of one recipe, best of interleaved rounds: what, edgec's seconds, the script's, the ratio allowed."""
    theirs, found = zip(*((plain(recipe, samples), ours(recipe, samples)) for _ in range(rounds)), strict=True)
    script = min(seconds for seconds, _ in theirs)
    lowered, whole = (min(item[index] for item in found) for index in (0, 1))
    # Sums depend on the number of threads: edgec's jobs have one.
    same = recipe in UPSTREAM and plain(recipe, samples, "--as-edgec", threads=1)[1] == found[0][2]
    bytes_are = "same .pte" if same else "another .pte" if recipe in UPSTREAM else "a .pte of edgec's own"
    data = f", {samples} calibration images" if recipe == "int8" else ""
    return [
        (f"{recipe}: load, quantize, lower / plain script{data}; {bytes_are} (s)", lowered, script, LIMIT),
        (f"{recipe}: the same, compared and evaluated{data} (s)", whole, script, 2.0),
    ]


def measure(rounds: int = 2, recipes: tuple[str, ...] = RECIPES) -> list[tuple[str, float, float, float]]:
    """Return the rows of every recipe; int8 also with few calibration images."""
    rows = compared("int8", 32, rounds) if "int8" in recipes else []
    for recipe in recipes:
        rows += compared(recipe, 256, rounds)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=RECIPES, help=", ".join(RECIPES))
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    for row in measure(arguments.rounds, tuple(arguments.recipes)):
        print(*row)
