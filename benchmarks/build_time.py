"""A whole cold build of both camera targets beside the plain ExecuTorch script, and the memory that it takes."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
BYTES_ALLOWED = 1.5e9


def timed(command: list[str], cache: str | None = None) -> float:
    environment = {**os.environ, **({"EDGEC_CACHE": cache} if cache else {})}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def measure(rounds: int = 3) -> list[tuple[str, float, float, float]]:
    """Return the rows; each round runs the script, then a build with an empty cache, and the best round counts."""
    script, build = [], []
    for _ in range(rounds):
        script.append(timed([sys.executable, str(HERE / "plain_executorch.py")]))
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "edgec", "build", "manifests/camera.yaml", "--out", f"{out}/out"]
            build.append(timed(command, cache=f"{out}/cache"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return [
        ("cold `edgec build` of both targets / plain ExecuTorch script (s)", min(build), min(script), 2.0),
        ("largest process of a build / 1.5 GB (bytes)", peak, BYTES_ALLOWED, 1.0),
    ]


if __name__ == "__main__":
    for row in measure():
        print(*row)
