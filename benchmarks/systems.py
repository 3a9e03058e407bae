"""The reference systems' whole pipelines on this machine: frames a second, the runner's own share, memory over many frames.

    python benchmarks/systems.py            # all
    python benchmarks/systems.py detector
"""

from __future__ import annotations

import array
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
TARGET = f"linux-{platform.machine()}"


class System(NamedTuple):
    """A manifest, the frames or windows a second that it is asked for, the passes of a round, and the frames over which
    memory is watched.
    """

    manifest: str
    asked: float
    passes: int = 1000
    frames: tuple[int, ...] = (1_000, 10_000)


SYSTEMS = {
    "camera": System("camera.yaml", 10.0),
    "detector": System("detector.yaml", 10.0),
    "vibration": System("vibration.yaml", 79.0),
    "keyword": System("keyword.yaml", 4.0),
    "detector at full width": System("full.yaml", 10.0, 100, ()),
}

FULL = """apiVersion: edgec/v1
name: full
version: 1.0.0
model: {source: python, entry: 'detector_model:Detector'}
inputs: [{name: image, image: {width: 416, height: 416, fit: contain}}]
task:
  name: detection
  options:
    labels: 80.txt
    anchors: [[[81, 82], [135, 169], [344, 319]], [[10, 14], [23, 27], [37, 58]]]
data: {calibration: {format: npz, path: calibration.npz}}
quantization: int8
targets: [%s]
"""
"""YOLOv3-tiny as published, with seeded weights: there is nothing to find, and much that passes the threshold."""

THREADS = (1, 2)
ROUNDS = 5
OVERHEAD = 0.10
"""What decoding boxes, suppression and JSON may take beside the model."""


def measure(names: tuple[str, ...] = tuple(SYSTEMS)) -> list[tuple[str, float, float, float]]:
    rows = []
    for name in names:
        system = SYSTEMS[name]
        with tempfile.TemporaryDirectory() as place:
            bundle = built(system.manifest, Path(place))
            for threads in THREADS:
                pipeline = best(bundle, threads, system.passes)
                words = f"{name}, {threads} thread{'s' * (threads > 1)}"
                rows.append((f"{words}: frames/s asked / of the whole pipeline", system.asked, pipeline["throughput_hz"], 1.0))
                post, execute = (1000 * pipeline[f"{part}_s"]["p50"] for part in ("post", "execute"))
                rows.append((f"{words}: after the model / model, p50 (ms)", post, execute, OVERHEAD))
            if system.frames:
                few, many = (resident(bundle, count) / 1e6 for count in system.frames)
                less, more = system.frames
                rows.append((f"{name}: peak memory over {more:,} / {less:,} frames (MB)", many, few, 1.05))
    return rows


def built(manifest: str, out: Path) -> Path:
    """Build a manifest for a machine like this one and return its bundle's folder."""
    own = manifest == "full.yaml"
    path = full_width(out / "project") if own else HERE.parent / "manifests" / manifest
    command = [sys.executable, "-m", "edgec", "build", str(path), "--target", TARGET, "--out", str(out / "out")]
    command += ["--allow-code"] if own else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=path.parent)
    return next(out.glob(f"out/*/*/{TARGET}"))


def full_width(project: Path) -> Path:
    """Write a project around FULL, calibrated on crops of two photographs; return its manifest."""
    from coverage_cells import write_data

    project.mkdir()
    shutil.copy(HERE.parent / "manifests" / "detector_model.py", project)
    (project / "80.txt").write_text("".join(f"class {index}\n" for index in range(80)), encoding="utf-8")
    write_data(project, 416)
    (project / "full.yaml").write_text(FULL % TARGET, encoding="utf-8")
    return project / "full.yaml"


def best(bundle: Path, threads: int, passes: int) -> dict:
    """Return the round of the highest throughput: what else the machine does only takes away."""
    words = ["--bench", "--samples", "64", "--passes", str(passes), "--threads", str(threads)]
    rounds = [
        json.loads(subprocess.run([bundle / "bin" / "edgec-run", *words], check=True, capture_output=True).stdout)["pipeline"]
        for _ in range(ROUNDS)
    ]
    return max(rounds, key=lambda one: one["throughput_hz"])


def resident(bundle: Path, frames: int) -> int:
    """Return the peak resident bytes of the runner over a stream of ``frames`` frames of noise."""
    given = json.loads((bundle / "bundle.json").read_text())["inputs"][0]
    image, stream = given.get("image"), given.get("stream")
    noise = [os.urandom(image["width"] * image["height"] * 3) if image else samples(given, stream["hop"]) for _ in range(8)]
    with (bundle / "lines").open("wb") as lines:
        runner = subprocess.Popen([bundle / "bin" / "edgec-run", "--stream"], stdin=subprocess.PIPE, stdout=lines)
        assert runner.stdin is not None
        if stream:  # before the first hop a window is full already, but for that hop
            runner.stdin.write(samples(given, given["shape"][-1] - stream["hop"]))
        for index in range(frames):
            runner.stdin.write(noise[index % len(noise)])
        runner.stdin.flush()
        until = time.monotonic() + 60
        while (bundle / "lines").read_bytes().count(b"\n") < frames:
            assert runner.poll() is None and time.monotonic() < until, "the runner gave fewer lines than it was given frames"
            time.sleep(0.2)
        # Read while it waits for more: what the kernel tells of an ended child begins with its parent's own peak.
        status = Path(f"/proc/{runner.pid}/status").read_text()
        runner.stdin.close()
        assert runner.wait() == 0 and (bundle / "lines").read_bytes().count(b"\n") == frames
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def samples(given: dict, count: int) -> bytes:
    """Return noise as the input takes it from a stream: 16-bit samples of sound, float32 of anything else."""
    if given.get("audio"):
        return os.urandom(2 * count)
    return array.array("f", (random.gauss(0, 1) for _ in range(count))).tobytes()


if __name__ == "__main__":
    for row in measure(tuple(sys.argv[1:]) or tuple(SYSTEMS)):
        name, value, baseline, limit = row
        print(f"| {name} | {value:.4g} | {baseline:.4g} | {value / baseline:.3f} | {limit:.2f} |")
