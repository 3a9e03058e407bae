"""``run.sh --source`` on files and folders, with a stand-in for the runner: lines, order, what is damaged, how it ends."""

from __future__ import annotations

import shutil
import signal
import sys
import wave
from pathlib import Path

import PIL.Image
import pytest

from shells import call
from video_parts import DIGITS, children, clip, play, results, stand_in_bundle, start

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in_bundle(tmp_path_factory.mktemp("a bundle's place"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "a clip.mp4")


def test_every_frame_of_a_file_has_its_line_in_order(folder: Path, video: Path) -> None:
    code, lines, err = play(folder, video, "--threads", 2)
    assert (code, err) == (0, "")
    seen = results(lines)
    assert [line["source"] for line in seen] == [f"frame {number}" for number in range(50)]
    assert all(line["size"] == [320, 240] and line["capture_to_result_ms"] > 0 for line in seen)
    assert seen[0]["arguments"] == ["--stream", "--frame", "ppm", "--threads", "2"]
    assert seen[-1]["fps"] > 5
    last = lines[-1]
    assert (last["event"], last["why"], last["frames"], last["results"]) == ("end", "end of stream", 50, 50)
    assert 0 < last["capture_to_result_ms"]["p50"] <= last["capture_to_result_ms"]["p90"]


def test_each_line_belongs_to_its_own_frame(folder: Path, tmp_path: Path) -> None:
    shades = [0, 40, 90, 160, 255]
    for shade in shades:
        PIL.Image.new("RGB", (64, 48), (shade, 10, 255 - shade)).save(tmp_path / f"{shade:03}.png")
    _, lines, _ = play(folder, tmp_path, "--realtime")
    assert lines[-1]["seconds"] > 2.4, "in real time a folder's pictures come twice a second"
    assert [line["middle"] for line in results(lines)] == [[shade, 10, 255 - shade] for shade in shades]


@pytest.mark.parametrize("size", ["101x57", "16x16", "640x2", "1919x1081"])
def test_odd_sizes_arrive_as_they_are(folder: Path, tmp_path: Path, size: str) -> None:
    made = clip(tmp_path / "odd.mkv", size=size, seconds=0.2, options=("-c:v", "ffv1"))
    code, lines, _ = play(folder, made)
    assert code == 0
    assert {tuple(line["size"]) for line in results(lines)} == {tuple(map(int, size.split("x")))}


def test_larger_pictures_are_scaled_where_it_is_asked(folder: Path, video: Path) -> None:
    for limit, size in (("100x100", [100, 75]), ("1000x1000", [320, 240])):
        assert results(play(folder, video, "--scale", limit)[1])[0]["size"] == size


def test_a_folder_goes_on_after_a_broken_picture(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "100% {of} pictures"
    (place / "more").mkdir(parents=True)
    names = sorted((DIGITS / "3").iterdir())[:2]
    shutil.copy(names[0], place / "a %03d.png")
    (place / "b.png").write_bytes(names[1].read_bytes()[:60])
    (place / "c.txt").write_text("no picture")
    shutil.copy(names[1], place / "d.PNG")
    (place / "z.png").symlink_to("gone.png")
    clip(place / "more" / "e.mp4", seconds=0.2)
    code, lines, _ = play(folder, place)
    assert code == 8, "what is broken is told by the exit code too"
    wrong = [line for line in lines if "error" in line]
    assert [line["source"] for line in wrong] == [str(place / "b.png"), str(place / "z.png")]
    assert "No such file" in wrong[1]["error"]
    expected = ["a %03d.png", "d.PNG", *(f"more/e.mp4 frame {number}" for number in range(5))]
    assert [line["source"] for line in results(lines)] == [f"{place}/{name}" for name in expected]
    assert lines[-1]["damaged"] == 2


def test_a_corrupt_video_is_named_and_goes_on(folder: Path, video: Path, tmp_path: Path) -> None:
    content = bytearray(video.read_bytes())
    for at in range(len(content) // 4, len(content) // 2, 97):
        content[at] ^= 0xFF
    (tmp_path / "corrupt.mp4").write_bytes(content)
    code, lines, _ = play(folder, tmp_path / "corrupt.mp4")
    wrong = [line for line in lines if "error" in line]
    assert code == 8
    assert len(wrong) == 1 and wrong[0]["source"] == str(tmp_path / "corrupt.mp4"), wrong
    assert wrong[0]["error"].startswith("damaged: ")
    assert len(results(lines)) > 30


def test_a_truncated_video_is_named(folder: Path, tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "no index.mp4").write_bytes(whole[: len(whole) // 2])
    code, lines, err = play(folder, tmp_path / "no index.mp4")
    assert code == 8 and "moov atom not found" in err and err.count("\n") == 1
    assert lines[-1]["event"] == "end" and lines[-1]["results"] == 0

    indexed = clip(tmp_path / "indexed.mp4", options=("-movflags", "faststart")).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(indexed[: len(indexed) * 2 // 3])
    code, lines, _ = play(folder, tmp_path / "cut.mp4")
    assert code == 8
    assert 10 < len(results(lines)) < 50
    assert [line for line in lines if "damaged" in line.get("error", "")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.mp4", "No such file or directory"),
        ("empty", "no picture or video in this folder"),
        ("text.mp4", "Invalid data"),
        ("sound.wav", "matches no streams"),
        ("nothing.mp4", "Invalid data"),
    ],
)
def test_what_cannot_be_played_is_told_in_a_line(folder: Path, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 50)
    (tmp_path / "nothing.mp4").write_bytes(b"")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(bytes(3200))
    code, _, err = play(folder, tmp_path / name)
    assert code == 8, err
    assert words in err and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    "options",
    [("--scale", "4"), ("--stall", "0"), ("--retries", "x"), ("--fly",), ("--threads", "two"), ("more.mp4",), ("--real",)],
)
def test_usage_errors(folder: Path, video: Path, options: tuple[str, ...]) -> None:
    code, lines, err = play(folder, video, *options)
    assert (code, lines) == (2, []) and err.startswith("run.sh: ") and err.count("\n") == 1


def test_late_frames_are_left_out_and_counted(folder: Path, video: Path) -> None:
    code, lines, _ = play(folder, video, "--realtime", environment={"STAND_IN_SECONDS": "0.2"})
    seen = results(lines)
    assert code == 0
    assert lines[-1]["frames"] == 50 and lines[-1]["dropped"] == 50 - len(seen) > 20
    assert seen[-1]["dropped"] == lines[-1]["dropped"]
    assert seen[-1]["source"] == "frame 49", "the latest frame is the one that is kept"
    assert lines[-1]["capture_to_result_ms"]["p90"] < 600, "frames wait for one other at most"


def test_without_realtime_a_slow_model_sees_every_frame(folder: Path, tmp_path: Path) -> None:
    short = clip(tmp_path / "short.mp4", seconds=0.4)
    code, lines, _ = play(folder, short, environment={"STAND_IN_SECONDS": "0.1"})
    assert code == 0 and len(results(lines)) == 10 and lines[-1]["dropped"] == 0


def test_a_file_is_played_at_its_own_speed_in_real_time(folder: Path, video: Path) -> None:
    _, lines, _ = play(folder, video, "--realtime")
    assert lines[-1]["seconds"] > 1.9


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly_and_leaves_no_child(folder: Path, video: Path, number: int, expected: int) -> None:
    process = start(folder, video, "--loop", "--realtime")
    assert process.stdout is not None
    process.stdout.readline()
    started = children(process)
    assert len(started) == 2, "ffmpeg and the runner"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (expected, "")
    assert f'"why": "{signal.Signals(number).name}"' in out.splitlines()[-1]
    assert not any(Path(f"/proc/{child}").exists() for child in started)


def test_it_ends_quietly_when_its_reader_goes_away(folder: Path, video: Path) -> None:
    process = start(folder, video, "--loop")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    started = children(process)
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    assert not any(Path(f"/proc/{child}").exists() for child in started)


def test_a_runner_that_dies_is_told(folder: Path, video: Path) -> None:
    code, lines, err = play(folder, video, environment={"STAND_IN_DIES_AT": "3"})
    assert (code, err) == (8, "run.sh: edgec-run was ended by signal 9\n")
    assert len(results(lines)) == 3


@pytest.mark.parametrize("run", range(5))
def test_it_is_told_also_while_a_large_frame_is_under_way(folder: Path, tmp_path: Path, run: int) -> None:
    """A frame that the pipe does not hold is still being written when the runner ends."""
    made = clip(tmp_path / "large.mkv", size="1280x720", seconds=0.2, options=("-c:v", "ffv1"))
    code, _, err = play(folder, made, environment={"STAND_IN_DIES_EARLY": "1"})
    assert (code, err) == (8, "run.sh: edgec-run was ended by signal 9\n")


def test_a_tool_that_is_missing_is_told_in_a_line(folder: Path, video: Path, tmp_path: Path) -> None:
    for name in ("sh", "python3", "dirname", "readlink"):
        (tmp_path / name).symlink_to(shutil.which(name) if name != "python3" else sys.executable)
    code, _, err = call(folder / "run.sh", "--source", video, environment={"PATH": str(tmp_path)})
    assert code == 6 and "ffmpeg" in err and err.count("\n") == 1
    (tmp_path / "python3").unlink()
    code, _, err = call(folder / "run.sh", "--source", video, environment={"PATH": str(tmp_path)})
    assert code == 6 and "python3" in err and err.count("\n") == 1


def test_nothing_is_written_into_the_bundle(folder: Path, video: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    play(folder, video)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_help_names_every_option(folder: Path) -> None:
    code, out, _ = call(folder / "run.sh", "--source", "--help")
    assert code == 0 and all(option in out for option in ("--realtime", "--loop", "--stall", "--retries", "--scale"))
