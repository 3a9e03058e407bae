"""The load-quantize-lower part of a build beside the plain ExecuTorch script that does the same work, whole processes.

edgec's part ends when the .pte's bytes are there; it includes starting the job, and comparing eager, exported and
quantized answers, which the script does not do.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent


def camera_plan(samples: int):
    from edgec import pipeline
    from edgec.stages.plan import plan as expand

    checked = pipeline.front(HERE.parent / "manifests" / "camera.yaml")
    plan = expand(checked)[0]
    data = tuple(
        replace(item, options={**item.options, "samples": samples}) if item.role == "calibration" else item
        for item in plan.data
    )
    return replace(plan, data=data), checked.project


def ours(samples: int) -> tuple[float, float]:
    """Return seconds until the artifact is lowered, and until it is compared and evaluated as well."""
    from edgec import job

    plan, project = camera_plan(samples)
    marks = {}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        job.run(plan, project, Path(folder), lambda line: marks.update({line.split()[0]: time.perf_counter() - start}))
        return marks["lower"], time.perf_counter() - start


def plain(samples: int) -> float:
    start = time.perf_counter()
    command = [sys.executable, str(HERE / "plain_executorch.py"), "--samples", str(samples)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(rounds: int = 2) -> list[tuple[str, float, float, float]]:
    """Return the rows, best of interleaved rounds: what, edgec's seconds, the script's seconds, the ratio allowed."""
    rows = []
    for samples in (32, 256):
        found = [(plain(samples), *ours(samples)) for _ in range(rounds)]
        script, lowered, whole = (min(column) for column in zip(*found, strict=True))
        rows.append((f"load, quantize, lower / plain script, {samples} calibration images (s)", lowered, script, 1.0))
        rows.append((f"the same, compared and evaluated / plain script, {samples} images (s)", whole, script, 2.0))
    return rows


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 2):
        print(*row)
