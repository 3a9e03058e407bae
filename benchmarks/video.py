"""Video through a bundle: frames a second and latencies by threads, and memory after 1,000 and after 10,000 frames.

Usage: python benchmarks/video.py [BUNDLE]; without one the camera is built first. Needs ffmpeg.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from runner import camera

SIZE, RATE = "640x480", 25
SECONDS = 20
FRAMES = 10_000
SETTLED = 1_000


def measure(bundle: Path | None = None) -> list[tuple[str, float, float, float]]:
    """Return rows for ``benchmarks/run.py``: time beside ffmpeg's alone, and memory beside its own earlier."""
    with tempfile.TemporaryDirectory() as name:
        folder = bundle or camera(Path(name) / "out")
        clip = made(Path(name) / "clip.mp4", SECONDS)
        ours, alone = played(folder, clip)["processor_ms"], decoded(clip)
        late, early = memory(folder, clip)
    return [
        ("processor time a frame: run.sh --source / ffmpeg decoding alone, 640×480 (ms)", ours, alone, 5.0),
        ("video: memory after 10,000 frames / after 1,000 (MB)", late / 1e6, early / 1e6, 1.05),
    ]


def made(path: Path, seconds: int) -> Path:
    """Write a clip with ffmpeg's test picture, H.264 as cameras send it."""
    source = ("-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate={RATE}:duration={seconds}")
    subprocess.run(["ffmpeg", "-v", "error", *source, "-pix_fmt", "yuv420p", "-bf", "0", path], check=True)
    return path


def decoded(clip: Path) -> float:
    """Return the processor milliseconds that ffmpeg takes to write a frame as the runner is given it."""
    start = spent()
    command = ["ffmpeg", "-v", "error", "-i", clip, "-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "-"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1000 * (spent() - start) / (SECONDS * RATE)


def played(folder: Path, clip: Path, *options: str) -> dict:
    """Play a clip to its end and return its last line, and the processor milliseconds a frame of all its processes."""
    start = spent()
    done = subprocess.run([folder / "run.sh", "--source", clip, *options], check=True, capture_output=True, text=True)
    last = json.loads(done.stdout.splitlines()[-1])
    return {**last, "processor_ms": 1000 * (spent() - start) / last["results"]}


def spent() -> float:
    """Return the processor seconds of all children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory(folder: Path, clip: Path) -> tuple[int, int]:
    """Return the bytes that run.sh, the runner and ffmpeg hold after 10,000 frames and after 1,000."""
    held = {}
    command = [folder / "run.sh", "--source", clip, "--loop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for number in range(1, FRAMES + 1):
            process.stdout.readline()
            if number in (SETTLED, FRAMES):
                held[number] = proportional(process.pid)
        process.terminate()
        process.communicate()
    return held[FRAMES], held[SETTLED]


def proportional(process: int) -> int:
    """Return the sum of proportional set sizes of a process and its children."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    listed = {process, *(int(word) for path in tasks for word in path.read_text().split())}
    rollups = [Path(f"/proc/{number}/smaps_rollup").read_text() for number in listed]
    return 1024 * sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:"))


def table(folder: Path) -> str:
    """Return what was measured as Markdown."""
    head = ("threads", "fps, as fast as it goes", "processor ms a frame", "model, ms: p50, p90", "capture to result, ms")
    rows = [f"| {' | '.join(head)} | left out |"]
    rows += ["|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        clip = made(Path(name) / "clip.mp4", SECONDS)
        rows += [row(folder, clip, threads) for threads in ("1", "2")]
        alone = decoded(clip)
        late, early = memory(folder, clip)
    memories = f"Memory after 1,000 frames {early / 1e6:.1f} MB, after 10,000 {late / 1e6:.1f} MB."
    return "\n".join(rows) + f"\n\nffmpeg alone: {alone:.1f} processor ms a frame. {memories}"


def row(folder: Path, clip: Path, threads: str) -> str:
    """Return the table's row for a number of threads: once as fast as it goes, once at the clip's own speed."""
    fast = played(folder, clip, "--threads", threads)
    live = played(folder, clip, "--threads", threads, "--realtime")
    model, whole = live["latency_ms"], live["capture_to_result_ms"]
    left_out = f"{live['dropped']} of {live['frames']}"
    return (
        f"| {threads} | {fast['results'] / fast['seconds']:.0f} | {fast['processor_ms']:.1f} "
        f"| {model['p50']:.2f}, {model['p90']:.2f} | {whole['p50']:.1f}, {whole['p90']:.1f} | {left_out} |"
    )


if __name__ == "__main__":
    os.environ.pop("EDGEC_EMULATOR", None)
    with tempfile.TemporaryDirectory() as place:
        print(table(Path(sys.argv[1]) if len(sys.argv) > 1 else camera(Path(place) / "out")))
