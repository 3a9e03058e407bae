"""The reference systems' whole pipelines on this machine: frames a second, the runner's own share, memory over many frames.

    python benchmarks/systems.py            # all
    python benchmarks/systems.py detector
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TARGET = f"linux-{platform.machine()}"
SYSTEMS = {
    "camera": ("camera.yaml", 10.0),
    "detector": ("detector.yaml", 10.0),
    "keyword": ("keyword.yaml", 4.0),
}
"""By name: the manifest, and how many frames, or windows of sound, a second are asked for."""

THREADS = (1, 2)
PASSES, ROUNDS = 1000, 5
FRAMES = (1_000, 10_000)
OVERHEAD = 0.10
"""What decoding boxes, suppression and JSON may take beside the model."""


def measure(names: tuple[str, ...] = tuple(SYSTEMS)) -> list[tuple[str, float, float, float]]:
    rows = []
    for name in names:
        manifest, asked = SYSTEMS[name]
        with tempfile.TemporaryDirectory() as place:
            bundle = built(manifest, Path(place))
            for threads in THREADS:
                pipeline = best(bundle, threads)
                words = f"{name}, {threads} thread{'s' * (threads > 1)}"
                rows.append((f"{words}: frames/s asked / of the whole pipeline", asked, pipeline["throughput_hz"], 1.0))
                post, execute = (1000 * pipeline[f"{part}_s"]["p50"] for part in ("post", "execute"))
                rows.append((f"{words}: after the model / model, p50 (ms)", post, execute, OVERHEAD))
            few, many = (resident(bundle, count) / 1e6 for count in FRAMES)
            rows.append((f"{name}: peak memory over {FRAMES[1]:,} / {FRAMES[0]:,} frames (MB)", many, few, 1.05))
    return rows


def built(manifest: str, out: Path) -> Path:
    """Build a manifest for a machine like this one and return its bundle's folder."""
    command = [sys.executable, "-m", "edgec", "build", f"manifests/{manifest}", "--target", TARGET, "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HERE.parent)
    return next(out.glob(f"*/*/{TARGET}"))


def best(bundle: Path, threads: int) -> dict:
    """Return the round of the highest throughput: what else the machine does only takes away."""
    words = ["--bench", "--samples", "64", "--passes", str(PASSES), "--threads", str(threads)]
    rounds = [
        json.loads(subprocess.run([bundle / "bin" / "edgec-run", *words], check=True, capture_output=True).stdout)["pipeline"]
        for _ in range(ROUNDS)
    ]
    return max(rounds, key=lambda one: one["throughput_hz"])


def resident(bundle: Path, frames: int) -> int:
    """Return the peak resident bytes of the runner over a stream of ``frames`` frames of noise."""
    given = json.loads((bundle / "bundle.json").read_text())["inputs"][0]
    image, stream = given.get("image"), given.get("stream")
    noise = [os.urandom(image["width"] * image["height"] * 3 if image else 2 * stream["hop"]) for _ in range(8)]
    with (bundle / "lines").open("wb") as lines:
        runner = subprocess.Popen([bundle / "bin" / "edgec-run", "--stream"], stdin=subprocess.PIPE, stdout=lines)
        assert runner.stdin is not None
        if stream:  # before the first hop a window is full already, but for that hop
            runner.stdin.write(os.urandom(2 * (given["shape"][-1] - stream["hop"])))
        for index in range(frames):
            runner.stdin.write(noise[index % len(noise)])
        runner.stdin.close()
        _, status, usage = os.wait4(runner.pid, 0)
    assert status == 0 and (bundle / "lines").read_bytes().count(b"\n") == frames
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    for row in measure(tuple(sys.argv[1:]) or tuple(SYSTEMS)):
        name, value, baseline, limit = row
        print(f"| {name} | {value:.4g} | {baseline:.4g} | {value / baseline:.3f} | {limit:.2f} |")
