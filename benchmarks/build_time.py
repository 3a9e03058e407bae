"""A whole cold build of both camera targets beside the plain ExecuTorch script, and the memory that it takes."""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import users

HERE = Path(__file__).parent
BYTES_ALLOWED = 1.5e9


def timed(command: list[str], cache: str | None = None, allowed: tuple[int, ...] = (0,)) -> tuple[float, float]:
    """Return wall seconds, and the largest sum of proportional set sizes over the process and all below it, in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=users.environment(cache))
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, tree_bytes(process.pid))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.wait() in allowed, command
    taken = time.perf_counter() - start
    watcher.join()
    return taken, peak


def tree_bytes(root: int) -> float:
    """Sum Pss over a process and its descendants: pages that they share count once (Linux /proc, smaps_rollup)."""
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family, grown = {root}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family, grown = family | more, bool(more)
    for pid in family:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            sizes[pid] = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return float(sum(sizes.values()))


def measure(rounds: int = 3) -> list[tuple[str, float, float, float]]:
    """Return the rows; each round runs the script, then a build with an empty cache, and the best time counts."""
    script, build, peaks = [], [], []
    for _ in range(rounds):
        script.append(timed([sys.executable, str(HERE / "plain_executorch.py")])[0])
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "edgec", "build", "manifests/camera.yaml", "--out", f"{out}/out"]
            seconds, peak = timed(command, cache=f"{out}/cache")
            build.append(seconds)
            peaks.append(peak)
    return [
        ("cold `edgec build` of both targets / plain ExecuTorch script (s)", min(build), min(script), 2.0),
        ("largest memory of a build, all its processes / 1.5 GB (MB)", max(peaks) / 1e6, BYTES_ALLOWED / 1e6, 1.0),
    ]


if __name__ == "__main__":
    for row in measure():
        print(*row)
