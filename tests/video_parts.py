"""Clips made from committed pictures, a bundle with a stand-in for the runner, and one way to play a source through it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle_parts import bundle
from edgec.stages.write import write

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "manifests" / "data" / "digits" / "test"
MODULES = ROOT / "templates" / "linux-native" / "video"
GSTREAMER_PYTHON = "/usr/bin/python3"

STAND_IN = (
    f"#!{sys.executable}\n"
    r'''
"""NOT the runner: it takes PPM frames as `edgec-run --stream --frame ppm` does, and sees one box wherever it looks."""
import json, os, sys, time
seconds = float(os.environ.get("STAND_IN_SECONDS", "0"))
dies_at = int(os.environ.get("STAND_IN_DIES_AT", "-1"))
number = 0
while sys.stdin.buffer.readline() == b"P6\n":
    width, height = map(int, sys.stdin.buffer.readline().split())
    sys.stdin.buffer.readline()
    if "STAND_IN_DIES_EARLY" in os.environ:
        time.sleep(0.2)
        os.kill(os.getpid(), 9)
    pixels = sys.stdin.buffer.read(width * height * 3)
    if number == dies_at:
        os.kill(os.getpid(), 9)
    time.sleep(seconds)
    middle = (height // 2 * width + width // 2) * 3
    box = [width // 4, height // 4, width // 2, height // 2]
    seen = {"label": "<b>bolt & nut</b>", "score": 0.75, "box": box}
    line = {"source": "frame %d" % number, "detections": [seen], "middle": list(pixels[middle : middle + 3]),
            "arguments": sys.argv[1:], "latency_ms": 1000 * seconds}
    print(json.dumps(line), flush=True)
    number += 1
'''
)


def stand_in_bundle(place: Path) -> Path:
    """Return a bundle's folder whose runner is the stand-in."""
    folder = write(bundle(place / "parts"), place / "out").folder
    (folder / "bin" / "edgec-run").write_text(STAND_IN)
    return folder


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; an error is the test's."""
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)


def clip(path: Path, *, size: str = "320x240", seconds: float = 2, rate: int = 25, options: Sequence[str] = ()) -> Path:
    """Write a video of handwritten digits, five a second."""
    pictures = ("-framerate", 5, "-pattern_type", "glob", "-loop", 1, "-i", DIGITS / "[3-7]" / "*0*.png")
    scale = f"scale={size.replace('x', ':')}:flags=neighbor"
    ffmpeg(
        *pictures,
        "-vf",
        scale,
        "-r",
        rate,
        "-frames:v",
        round(seconds * rate),
        "-pix_fmt",
        "yuv444p",
        "-g",
        rate,
        *options,
        path,
    )
    return path


def start(
    folder: Path, source: object, *options: object, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start ``run.sh --source`` with its output in pipes."""
    command = [str(folder / "run.sh"), "--source", str(source), *map(str, options)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )


def play(
    folder: Path, source: object, *options: object, environment: Mapping[str, str] | None = None
) -> tuple[int, list[dict[str, Any]], str]:
    """Play a source to its end; return the exit code, the lines as objects, and what was said on standard error."""
    with start(folder, source, *options, environment=environment) as process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, [json.loads(line) for line in out.splitlines()], err


def results(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines that are a frame's result."""
    return [line for line in lines if "capture_to_result_ms" in line and "event" not in line]


def children(process: subprocess.Popen[str]) -> set[int]:
    """Return the processes that a process has started and that still run."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    return {int(word) for path in threads for word in path.read_text().split()} | set(map(int, listed))


@contextlib.contextmanager
def serving(path: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a real RTSP server that plays a file; yield it and the stream's address."""
    command = [GSTREAMER_PYTHON, "-B", str(ROOT / "tests" / "rtsp_server.py"), str(path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, f"rtsp://127.0.0.1:{int(process.stdout.readline())}/clip"
        finally:
            process.kill()


def rtsp_serves() -> bool:
    """Whether GStreamer's RTSP server is here, for the Python that the system's packages are for."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    return (
        Path(GSTREAMER_PYTHON).exists() and not subprocess.run([GSTREAMER_PYTHON, "-c", check], capture_output=True).returncode
    )


@contextlib.contextmanager
def previewed(
    folder: Path, source: object, *options: object, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Play a source with a preview; yield the process and the page's address, and end it with SIGTERM."""
    process = start(folder, source, "--preview", 0, *options, environment=environment)
    assert process.stdout is not None and process.stderr is not None
    lines = threading.Thread(target=process.stdout.read, daemon=True)
    try:
        said = process.stderr.readline()
        lines.start()
        yield process, said.rsplit(" ", 1)[1].strip()
    finally:
        process.terminate()
        process.wait(20)
