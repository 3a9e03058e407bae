"""The programs behind ``run.sh --source``, part by part: what ffmpeg says, frames off a pipe, figures, and power sensors."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "templates" / "linux-native" / "video"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__main__")


@pytest.fixture(scope="module")
def video() -> Iterator[dict[str, ModuleType]]:
    """The modules as they import one another on the device; nothing is written beside them."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(FOLDER))
        sys.dont_write_bytecode = before
        for name in NAMES:
            del sys.modules[name]


def test_a_device_s_python_3_6_runs_it_with_nothing_but_its_library() -> None:
    code = "import sys, vermin; sys.exit(vermin.main())"
    options = ("--target=3.6-", "--eval-annotations", "--no-tips", "--violations", str(FOLDER))
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Minimum required versions: 3.6" in done.stdout
    for path in FOLDER.glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        imported = [node for node in tree if isinstance(node, (ast.Import, ast.ImportFrom))]
        names = {getattr(node, "module", None) or node.names[0].name for node in imported}
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | set(NAMES), path


# What ffmpeg says

SAID = """\
[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:a.mp4':
[info]   Duration: 00:01:04.50, start: 0.000000, bitrate: 45 kb/s
[info]   Stream #0:0[0x1](und): Video: h264 (High), yuv420p, 100x56 [SAR 1:1 DAR 25:14], 41 kb/s, 29.97 fps, 30 tbr
[warning] deprecated pixel format used
[h264 @ 0x55] [error] error while decoding MB 20 5
[error] file:a.mp4: Invalid data found
[info] frame=    2 fps=0.0 q=-0.0 Lsize=      16kB time=00:01:04.08 bitrate=1681.4kbits/s
[info] Conversion failed!
"""


def heard(video: dict[str, ModuleType], text: str) -> Any:
    said = video["ffmpeg"].Said()
    for line in text.splitlines():
        said.line(line)
    return said


def test_duration_rate_and_errors_are_heard(video: dict[str, ModuleType]) -> None:
    said = heard(video, SAID)
    assert (said.duration, said.rate, said.reached, said.errors) == (64.5, 29.97, 64.08, 2)
    assert said.reason("file:a.mp4") == "error while decoding MB 20 5; Invalid data found"


def test_an_ffmpeg_that_names_no_levels_is_understood_too(video: dict[str, ModuleType]) -> None:
    said = heard(video, SAID.replace("[info] ", "").replace("[error] ", "").replace("[warning] ", ""))
    assert (said.duration, said.rate, said.errors) == (64.5, 29.97, 0)
    assert heard(video, "Input #0\nfile:a.mp4: No such file").reason("file:a.mp4") == "No such file"


def test_a_stream_says_no_duration(video: dict[str, ModuleType]) -> None:
    said = heard(video, "[info]   Duration: N/A, start: 0.04, bitrate: N/A")
    assert said.duration is None and said.reason("x") == "it broke off"


@pytest.mark.parametrize(
    ("version", "level", "every"),
    [((3, 4), "info", "-vsync"), ((4, 1), "level+info", "-vsync"), ((5, 1), "level+info", "-fps_mode")],
)
def test_each_ffmpeg_is_asked_as_it_understands(
    video: dict[str, ModuleType], version: tuple[int, int], level: str, every: str
) -> None:
    tool = video["ffmpeg"].Tool("/usr/bin/ffmpeg", version)
    assert tool.start()[-1] == level and tool.every_frame() == [every, "passthrough"]


def test_passwords_are_left_out(video: dict[str, ModuleType]) -> None:
    masked = video["problem"].masked
    assert masked("rtsp://me:p@ss@cam/x: gone") == "rtsp://***@cam/x: gone"
    assert masked("[tcp @ 0x1] rtsp://cam/x@y") == "[tcp @ 0x1] rtsp://cam/x@y"
    assert masked("rtsp://cam:554/x: me@home") == "rtsp://cam:554/x: me@home"


@pytest.mark.parametrize("password", ["geh/eim", "g@h/eim", "geh?e#im", "1/2@3", "geh:eim"])
def test_a_password_of_any_characters_is_left_out(video: dict[str, ModuleType], password: str) -> None:
    assert video["problem"].masked(f"rtsp://u:{password}@host/x: gone") == "rtsp://***@host/x: gone"


@pytest.mark.parametrize("name", ["pass", "passwd", "password", "pwd", "token", "auth", "key", "Password", "access_token"])
def test_a_password_in_the_query_is_left_out(video: dict[str, ModuleType], name: str) -> None:
    masked = video["problem"].masked
    assert masked(f"rtsp://h/x?user=admin&{name}=geheim: gone") == f"rtsp://h/x?user=admin&{name}=***: gone"
    assert masked(f"http://h/x?{name}=geheim&channel=1") == f"http://h/x?{name}=***&channel=1"


# Frames


def reader(video: dict[str, ModuleType], data: bytes, stall: float = 5.0, close: bool = True) -> tuple[Any, int]:
    out, into = os.pipe()
    os.write(into, data)
    if close:
        os.close(into)
    return video["frames"].Reader(out, stall, threading.Event()), into


def test_frames_come_whole_and_a_cut_one_not_at_all(video: dict[str, ModuleType]) -> None:
    one, two = b"P6\n3 2\n255\n" + bytes(range(18)), b"P6\n3 2\n255\n" + bytes(range(20, 38))
    taken, _ = reader(video, one + two + one[:-1])
    first, second = taken.next("frame 0"), taken.next("frame 1")
    assert (first.width, first.height, bytes(first.data), bytes(first.pixels())) == (3, 2, one, bytes(range(18)))
    assert bytes(second.pixels()) == bytes(range(20, 38)) and second.captured >= first.captured
    assert taken.next("frame 2") is None
    assert reader(video, b"")[0].next("frame 0") is None


def test_a_frame_that_does_not_come_is_a_stall(video: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video["frames"], "OPENING_SECONDS", 0.1)
    whole = b"P6\n1 1\n255\nabc"
    taken, into = reader(video, whole + whole[:-1], stall=0.3, close=False)
    assert taken.next("frame 0")
    started = time.monotonic()
    with pytest.raises(video["frames"].Stalled):
        taken.next("frame 1")
    assert 0.2 < time.monotonic() - started < 5
    taken.stop.set()
    with pytest.raises(video["problem"].Stopped):
        taken.next("frame 1")
    os.close(into)


# Figures


def test_percentiles_are_nearest_ranks(video: dict[str, ModuleType]) -> None:
    percentiles = video["tally"].percentiles
    assert percentiles([]) is None
    assert percentiles([3.0]) == {"p50": 3.0, "p90": 3.0}
    assert percentiles([float(value) for value in range(10, 0, -1)]) == {"p50": 5.0, "p90": 9.0}


def test_a_rate_is_that_of_the_last_seconds(video: dict[str, ModuleType]) -> None:
    tally = video["tally"].Tally(0.0)
    assert tally.rate(0.0) is None
    for number in range(101):
        tally.result({"latency_ms": 1.0}, number / 10, number / 10 + 0.05)
    assert tally.rate(10.05) == 10.0
    assert tally.rate(20.0) is None, "a stream that stands has no rate"
    assert tally.figures()["capture_to_result_ms"] == {"p50": 50.0, "p90": 50.0}


# Power


def tree(place: Path, files: dict[str, object]) -> str:
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return str(place)


def test_a_machine_without_a_sensor_shows_none(video: dict[str, ModuleType], tmp_path: Path) -> None:
    assert video["power"].find(str(tmp_path)) is None
    place = tree(tmp_path, {"class/hwmon/hwmon0/name": "coretemp", "class/hwmon/hwmon0/temp1_input": 45000})
    assert video["power"].find(place) is None


def test_the_original_nano_s_whole_input_is_read(video: dict[str, ModuleType], tmp_path: Path) -> None:
    chip = "bus/i2c/drivers/ina3221x/6-0040/iio:device0/"
    rails = {f"{chip}in_power{n}_input": v for n, v in enumerate((4321, 800, 1200))}
    rails |= {f"{chip}rail_name_{n}": v for n, v in enumerate(("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"))}
    sensor = video["power"].find(tree(tmp_path, rails))
    assert sensor.read() == {"watts": 4.321, "sensor": "POM_5V_IN"}


def test_a_newer_jetson_s_channels_are_read_in_volts_and_amperes(video: dict[str, ModuleType], tmp_path: Path) -> None:
    chip = "class/hwmon/hwmon3/"
    files = {f"{chip}name": "ina3221", f"{chip}in1_label": "VDD_IN", f"{chip}in1_input": 5000, f"{chip}curr1_input": 1200}
    files |= {f"{chip}in2_label": "VDD_CPU", f"{chip}in2_input": 5000, f"{chip}curr2_input": 300}
    files |= {f"{chip}in3_label": "NC", f"{chip}in3_input": 5000, f"{chip}curr3_input": 1}
    files |= {f"{chip}in4_label": "sum of shunt voltages", f"{chip}in4_input": 5, f"{chip}curr4_input": 5}
    place = tree(tmp_path, files)
    assert video["power"].find(place).read() == {"watts": 6.0, "sensor": "VDD_IN"}
    (tmp_path / f"{chip}in1_label").write_text("VDD_GPU_SOC\n")
    assert video["power"].find(place).read() == {"watts": 7.5, "sensor": "VDD_GPU_SOC + VDD_CPU"}


def test_a_supply_with_an_average_beside_its_input_counts_once(video: dict[str, ModuleType], tmp_path: Path) -> None:
    chip = "class/hwmon/hwmon0/"
    files = {f"{chip}name": "meter", f"{chip}power1_input": 3_000_000, f"{chip}power1_average": 2_900_000}
    place = tree(tmp_path, {**files, f"{chip}power2_average": 500_000})
    assert video["power"].find(place).read() == {"watts": 3.5, "sensor": "meter + meter"}


def test_energy_counters_become_watts_also_when_they_begin_again(video: dict[str, ModuleType], tmp_path: Path) -> None:
    chip = "class/powercap/intel-rapl:0/"
    files = {"name": "package-0", "energy_uj": 9_000_000, "max_energy_range_uj": 10_000_000}
    place = tree(tmp_path, {chip + name: value for name, value in files.items()})
    sensor = video["power"].find(place)
    assert sensor.read()["watts"] == 0
    time.sleep(0.6)
    (tmp_path / f"{chip}energy_uj").write_text("1000000\n")
    assert 1 < sensor.read()["watts"] <= 2 / 0.6
    (tmp_path / f"{chip}energy_uj").unlink()
    time.sleep(0.6)
    assert sensor.read() is None, "a sensor that goes away is not shown any more"


# Drawing


def black(video: dict[str, ModuleType], width: int, height: int) -> Any:
    header = b"P6\n%d %d\n255\n" % (width, height)
    return video["frames"].Frame("frame 0", width, height, bytearray(header + bytes(width * height * 3)), 0.0)


def painted(video: dict[str, ModuleType], frame: Any, line: dict[str, object]) -> np.ndarray:
    data = video["draw"].Painter().painted(frame, line)
    start = len(data) - frame.width * frame.height * 3
    assert data[:start] == frame.data[:start] and len(data) == len(frame.data), "the picture keeps its size"
    return np.frombuffer(bytes(data[start:]), np.uint8).reshape(frame.height, frame.width, 3)


def test_a_box_is_drawn_where_it_is_and_the_frame_is_left_alone(video: dict[str, ModuleType]) -> None:
    frame = black(video, 200, 100)
    seen = painted(video, frame, {"detections": [{"label": "bolt", "score": 0.5, "box": [60, 40, 50, 30]}]})
    assert not any(frame.pixels())
    colour = seen[60, 60]
    assert colour.max() > 150
    assert not seen[43:67, 63:107].any() and not seen[70:].any() and not seen[40:, 111:].any()
    for row, column in ((40, 80), (69, 80), (55, 60), (55, 109)):
        assert (seen[row, column] == colour).all(), (row, column)
    assert (seen[31:40, 60:70] == colour).any(), "the label stands above"


@pytest.mark.parametrize(
    "box",
    [[-20, -20, 400, 400], [190, 90, 50, 50], [-50, -50, 20, 20], [500, 500, 10, 10], [5, 5, 0, 0], [0.4, 99.6, 1.2, 3]],
)
def test_a_box_beyond_the_picture_is_cut_at_its_edge(video: dict[str, ModuleType], box: list[float]) -> None:
    found = {"label": "a label that is far too long for it", "score": 1, "box": box}
    for size in ((200, 100), (3, 1)):
        painted(video, black(video, *size), {"detections": [found]})


def test_classes_and_errors_are_written_at_the_foot(video: dict[str, ModuleType]) -> None:
    top = [{"label": label, "score": 0.25} for label in ("3", "é", "€", "x")]
    seen = painted(video, black(video, 200, 100), {"top": top})
    assert not seen[:60].any() and seen[-30:, :60].any()
    assert painted(video, black(video, 200, 100), {"error": "output is not finite"})[-12:].any()
    assert not painted(video, black(video, 200, 100), {"embedding": [1.0]}).any()


def test_every_task_s_line_has_its_rows(video: dict[str, ModuleType]) -> None:
    written = video["draw"].written
    assert written({"top": [{"label": "3", "score": 0.984}]}) == ["3 98 %"]
    assert written({"classes": [{"label": "road", "share": 0.6}]}) == ["road 60 %"]
    values = [{"name": "temperature", "value": 21.4321, "unit": "°C"}, {"name": "0", "value": 1e-6}]
    assert written({"values": values}) == ["temperature 21.43 °C", "0 1e-06"]
    assert written({"detections": []}) == [] and written({"error": "x"}) == ["x"]


def test_letters_are_of_their_own_shape(video: dict[str, ModuleType]) -> None:
    font = video["font"]
    assert len(font.COLUMNS) == 95 * 5
    shapes = [font.columns(chr(code)) for code in range(32, 127)]
    assert len(set(shapes)) == 95
    assert font.letters("é") == font.letters("e") and font.letters("ß") == [font.UNKNOWN]
    rows = font.dots("L")
    assert ["".join(".#"[dot] for dot in row) for row in rows] == [
        ".......", ".#.....", ".#.....", ".#.....", ".#.....", ".#.....", ".#.....", ".#####.", ".......",
    ]  # fmt: skip


def test_a_recording_in_real_time_runs_as_its_source(video: dict[str, ModuleType]) -> None:
    pace = video["record"].Pace(True, 10.0)
    assert [pace.due(at) for at in (5.0, 5.1, 5.12, 5.4, 5.5)] == [1, 1, 0, 3, 1]
    assert pace.due(500.0) == 20, "a long pause is a still of two seconds"
    assert pace.due(500.1) == 1
    assert [video["record"].Pace(False).due(at) for at in (1.0, 1.0)] == [1, 1]


# Streams that are lost


def test_a_long_outage_is_waited_for_at_the_longest_pause(video: dict[str, ModuleType]) -> None:
    source = video["source"]
    assert [source.pause(attempt) for attempt in (0, 1, 6, 7, 5000)] == [0.5, 1, 30, 30, 30]


def test_ffmpeg_s_own_options_may_be_a_single_word(video: dict[str, ModuleType]) -> None:
    parse = video["options"].parse
    assert parse(["--source", "x", "--input-options", "-re", "--loop"]).input_options == ["-re"]
    assert parse(["--source", "x", "--input-options=-re -an"]).input_options == ["-re", "-an"]
    with pytest.raises(video["problem"].Problem, match="expected one argument"):
        parse(["--source", "x", "--input-options"])


@pytest.mark.parametrize("words", ["--top 0", "--top=-1", "--top 1000001", "--threads 0", "--threads 257"])
def test_what_the_runner_would_refuse_is_a_usage_error(video: dict[str, ModuleType], words: str) -> None:
    with pytest.raises(video["problem"].Problem) as caught:
        video["options"].parse(["--source", "x", *words.split()])
    assert caught.value.code == 2
    taken = video["options"].parse(["--source", "x", "--threads", "256", "--top", "1"])
    assert taken.runner == ["--threads", "256", "--top", "1"]


# How the runner ends

ANSWERS = r"""
import sys
lines, code = int(sys.argv[1]), int(sys.argv[2])
for number in range(lines):
    if len(sys.stdin.buffer.read(14)) < 14:
        break
    print('{"error": "not finite"}' if code == 4 else '{"latency_ms": 1}', flush=True)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("frames", "lines", "code", "why"),
    [
        (3, 9, 0, ""),
        (3, 9, 4, ""),
        (3, 3, 4, ""),
        (3, 9, 7, "edgec-run ended with exit code 7"),
        (3, 0, 7, "edgec-run ended with exit code 7"),
        (1, 0, 7, "edgec-run ended with exit code 7"),
        (500, 2, 4, "edgec-run ended with exit code 4"),
        (500, 2, 2, "edgec-run ended with exit code 2"),
        (0, 0, 7, "edgec-run ended with exit code 7"),
    ],
)
def test_a_runner_that_fails_is_told_from_frames_that_do(
    video: dict[str, ModuleType], frames: int, lines: int, code: int, why: str
) -> None:
    class Source:
        def frames(self) -> Iterator[Any]:
            for number in range(frames):
                yield video["frames"].Frame(f"frame {number}", 1, 1, bytearray(b"P6\n1 1\n255\nabc"), time.monotonic())

    tally = video["tally"].Tally(time.monotonic())
    command = [sys.executable, "-c", ANSWERS, str(lines), str(code)]
    run = video["pipeline"].Pipeline(command, Source(), False, tally, threading.Event())
    if not why:
        assert run.run(lambda frame, line: None) == code and tally.results == frames
        return
    with pytest.raises(video["problem"].Problem, match=why) as caught:
        run.run(lambda frame, line: None)
    assert caught.value.code == code


def test_a_folder_that_cannot_be_listed_is_told(
    video: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said by a stand-in for the system: the tests may run as root, who may list everything."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "1.png").touch()
    genuine = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path)

    monkeypatch.setattr(video["source"].os, "scandir", scandir)
    told: list[str | None] = []
    assert video["source"].listed(str(tmp_path), lambda error: told.append(error.filename)) == [str(tmp_path / "1.png")]
    assert told == [str(tmp_path / "closed")]


def test_an_ffmpeg_that_ends_well_may_not_have_finished_its_file(video: dict[str, ModuleType]) -> None:
    for line in ("[error] Error closing file: No space left on device", "av_write_trailer: No space left on device"):
        said = video["ffmpeg"].Said()
        said.line(line)
        assert (said.errors, "No space left" in said.reason("x")) == (1, True)


@pytest.mark.parametrize("code", [0, 1])
def test_a_recording_that_ffmpeg_complained_of_is_not_whole(video: dict[str, ModuleType], code: int) -> None:
    class Ended:
        said = video["ffmpeg"].Said()

        def end(self, seconds: float) -> int:
            self.said.line("[error] Error closing file: No space left on device")
            return code

    recorder = video["record"].Recorder.__new__(video["record"].Recorder)
    recorder.reason, recorder.path = "", "seen.mp4"
    recorder._end(Ended())
    assert recorder.reason == "recording: Error closing file: No space left on device"
