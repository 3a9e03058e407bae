"""``--record``: what is in the file, at which size and length, and what becomes of it when something breaks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from video_parts import DIGITS, children, clip, play, results, stand_in_bundle, start

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in_bundle(tmp_path_factory.mktemp("a bundle's place"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


def probed(path: Path) -> dict[str, Any]:
    """What ffprobe counts and reads of a video."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert len(found["streams"]) == 1
    return {**found["streams"][0], "seconds": float(found["format"]["duration"])}


def pictures(path: Path) -> np.ndarray:
    """The frames of a video."""
    facts = probed(path)
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, facts["height"], facts["width"], 3)


def test_every_frame_is_recorded_with_its_box(folder: Path, video: Path, tmp_path: Path) -> None:
    code, lines, err = play(folder, video, "--record", tmp_path / "seen it.mp4")
    assert (code, err, lines[-1]["recorded"]) == (0, "", 50)
    facts = probed(tmp_path / "seen it.mp4")
    assert (facts["width"], facts["height"], facts["r_frame_rate"], int(facts["nb_read_frames"])) == (320, 240, "25/1", 50)
    assert abs(facts["seconds"] - 2) < 0.1
    seen, plain = pictures(tmp_path / "seen it.mp4").astype(int), pictures(video).astype(int)
    red, green, blue = seen[10, 61, 100:200].mean(axis=0)
    assert green > red + 60 and green > blue + 40, "the box's upper edge, at a quarter of the height"
    assert np.abs(seen[:, 100:150, 120:200] - plain[:, 100:150, 120:200]).mean() < 12, "inside it is the picture"


def test_odd_sizes_and_other_sizes_are_fitted(folder: Path, tmp_path: Path) -> None:
    odd = clip(tmp_path / "odd.mkv", size="101x57", seconds=0.4, options=("-c:v", "ffv1"))
    assert play(folder, odd, "--record", tmp_path / "odd.mp4")[0] == 0
    assert [probed(tmp_path / "odd.mp4")[name] for name in ("width", "height", "nb_read_frames")] == [102, 58, "10"]
    place = tmp_path / "pictures"
    place.mkdir()
    for number, size in enumerate(((64, 48), (200, 20), (3, 3))):
        PIL.Image.new("RGB", size, (250, 250, 250)).save(place / f"{number}.png")
    assert play(folder, place, "--record", tmp_path / "all.mkv")[0] == 0
    facts = probed(tmp_path / "all.mkv")
    assert [facts[name] for name in ("width", "height", "nb_read_frames", "r_frame_rate")] == [64, 48, "3", "2/1"]
    second = pictures(tmp_path / "all.mkv")[1]
    assert second[:18].max() < 40 and second[24, 10:50].max() > 200, "a wide picture lies in the middle, on black"


def test_a_recording_in_real_time_is_as_long_as_its_source(folder: Path, video: Path, tmp_path: Path) -> None:
    slow = {"STAND_IN_SECONDS": "0.25"}
    code, lines, _ = play(folder, video, "--realtime", "--record", tmp_path / "slow.mp4", environment=slow)
    assert code == 0 and len(results(lines)) < 15
    assert 1.5 < probed(tmp_path / "slow.mp4")["seconds"] < 2.6


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("no folder/seen.mp4", 8, "No such file or directory"),
        ("there.mp4", 8, "is there already"),
        ("seen.txt", 2, "takes a file that ends in .mp4"),
        ("seen", 2, "takes a file that ends in .mp4"),
        ("/proc/seen.mp4", 8, "No such file or directory"),
    ],
)
def test_where_nothing_can_be_written_is_told_first(
    folder: Path, video: Path, tmp_path: Path, path: str, code: int, words: str
) -> None:
    (tmp_path / "there.mp4").write_text("somebody's")
    found, lines, err = play(folder, video, "--record", tmp_path / path)
    assert (found, lines) == (code, []) and words in err and err.count("\n") == 1
    assert (tmp_path / "there.mp4").read_text() == "somebody's"


def test_without_a_frame_there_is_no_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    assert play(folder, tmp_path / "text.mp4", "--record", tmp_path / "seen.mp4")[0] == 8
    assert not (tmp_path / "seen.mp4").exists()


def test_a_signal_finishes_the_file(folder: Path, video: Path, tmp_path: Path) -> None:
    process = start(folder, video, "--loop", "--realtime", "--record", tmp_path / "seen.mp4")
    assert process.stdout is not None
    for _ in range(30):
        process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert int(probed(tmp_path / "seen.mp4")["nb_read_frames"]) == json.loads(out.splitlines()[-1])["recorded"] > 20


def test_a_recording_that_breaks_off_is_told_and_is_whole_up_to_there(folder: Path, video: Path, tmp_path: Path) -> None:
    process = start(folder, video, "--loop", "--record", tmp_path / "seen.mp4")
    assert process.stdout is not None
    for _ in range(300):
        process.stdout.readline()
    encoder = next(child for child in children(process) if b"image2pipe\0-c:v\0ppm\0-framerate" in command_of(child))
    while (tmp_path / "seen.mp4").stat().st_size < 20_000:
        process.stdout.readline()
    os.kill(encoder, signal.SIGKILL)
    lines = [json.loads(process.stdout.readline()) for _ in range(100)]
    assert len(results(lines)) == 100, "the run goes on"
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (8, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [line["source"] for line in told if "error" in line] == [str(tmp_path / "seen.mp4")]
    assert int(probed(tmp_path / "seen.mp4")["nb_read_frames"]) >= 50


def command_of(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_without_an_encoder_for_h264_it_is_mpeg4(folder: Path, video: Path, tmp_path: Path) -> None:
    plain = tmp_path / "bin" / "ffmpeg"
    plain.parent.mkdir()
    plain.write_text(f'#!/bin/sh\ncase " $* " in *" -encoders "*) exit 0;; esac\nexec {shutil.which("ffmpeg")} "$@"\n')
    plain.chmod(0o755)
    environment = {"PATH": f"{plain.parent}:{os.environ['PATH']}"}
    assert play(folder, video, "--record", tmp_path / "seen.mp4", environment=environment)[0] == 0
    assert probed(tmp_path / "seen.mp4")["codec_name"] == "mpeg4"


def test_a_folder_s_broken_picture_is_left_out_of_the_recording(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "pictures"
    place.mkdir()
    names = sorted((DIGITS / "5").iterdir())[:3]
    for name in names:
        shutil.copy(name, place)
    (place / names[1].name).write_bytes(b"broken")
    started = time.monotonic()
    code, lines, _ = play(folder, place, "--record", tmp_path / "seen.mp4")
    assert code == 8 and lines[-1]["recorded"] == 2 and time.monotonic() - started < 30
