"""``run.sh --source`` with the real runner and the camera's model: the same answers as for pictures, and memory that stays."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edgec.runtime.emulate import emulator
from edgec.targets.table import JETSON_NANO
from video_parts import DIGITS, clip, play, results, start

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def folder(camera):
    return camera.folder("linux-x86_64")


def test_a_folder_s_pictures_get_the_answers_that_they_get_without_ffmpeg(folder, tmp_path):
    for digit in "0379":
        shutil.copy(sorted((DIGITS / digit).iterdir())[0], tmp_path / f"{digit}.png")
    code, lines, _ = play(folder, tmp_path, "--threads", 1)
    direct = subprocess.run([folder / "run.sh", tmp_path, "--threads", "1"], check=True, capture_output=True, text=True).stdout
    expected = [json.loads(line) for line in direct.splitlines()]
    assert code == 0
    assert [(line["source"], line["top"]) for line in results(lines)] == [(line["source"], line["top"]) for line in expected]


def test_digits_in_a_video_are_read(folder, tmp_path):
    code, lines, _ = play(folder, clip(tmp_path / "clip.mp4", size="32x40"))
    labels = [line["label"] for line in results(lines)]
    assert code == 0 and len(labels) == 50
    assert set(labels) <= set("34567"), "the clip shows no other digits"
    assert all(line["latency_ms"] <= line["capture_to_result_ms"] for line in results(lines))


def test_a_damaged_bundle_plays_nothing(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    with (copy / "model.pte").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff\xff")
    code, lines, err = play(copy, clip(tmp_path / "clip.mp4", seconds=0.2))
    assert code == 7 and "sha256" in err and not results(lines)


def test_the_bundle_s_own_verification_covers_what_plays_video(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    with (copy / "video" / "source.py").open("a") as file:
        file.write("# changed\n")
    assert subprocess.run([copy / "verify.sh", "--no-bench"], capture_output=True, check=False).returncode == 7


def test_the_nano_s_bundle_plays_video_with_its_own_instructions(camera, folder, tmp_path):
    place = tmp_path / "pictures"
    place.mkdir()
    for digit in "0379":
        shutil.copy(sorted((DIGITS / digit).iterdir())[0], place / f"{digit}.png")
    environment = {"EDGEC_EMULATOR": " ".join(emulator(JETSON_NANO, tmp_path).command)}
    code, lines, _ = play(camera.folder("jetson-nano"), place, environment=environment)
    assert code == 0
    assert [line["label"] for line in results(lines)] == [line["label"] for line in results(play(folder, place)[1])]


def resident(process):
    """Bytes of memory that a process and its children hold of their own."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    listed = {process, *(int(word) for path in tasks for word in path.read_text().split())}
    rollups = [Path(f"/proc/{number}/smaps_rollup").read_text() for number in listed]
    return 1024 * sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:"))


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_frames(folder, tmp_path):
    long = clip(tmp_path / "long.mp4", size="160x120", seconds=10)
    process = start(folder, long, "--loop", "--preview", 0, "--record", tmp_path / "seen.mp4")
    held = {}
    for number in range(1, 10_001):
        process.stdout.readline()
        if number in (1000, 10_000):
            held[number] = resident(process.pid)
    process.terminate()
    process.communicate(timeout=20)
    assert held[10_000] < 1.05 * held[1000] + 2e6, held
    assert (tmp_path / "seen.mp4").stat().st_size > 1e5
