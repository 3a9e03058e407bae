"""The vibration monitor, from its manifest to alarms on a stream: raw and CSV, whole and damaged."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("linux-x86_64", "raspberry-pi-4", "jetson-nano")


@pytest.fixture(scope="module")
def recording():
    """Samples of a bearing whose inner race goes bad after five of twenty seconds."""
    command = [sys.executable, "manifests/train_vibration.py", "--stream", "inner"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout, "<f4")


def run(built, *arguments, data=b"", text=False):
    """Return the exit code and the lines of run.sh."""
    given = data.encode() if text else data
    done = subprocess.run([built.folder("linux-x86_64") / "run.sh", *arguments], input=given, capture_output=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def as_csv(samples, channels=1):
    return "\n".join(",".join(f"{value:g}" for value in row) for row in samples.reshape(-1, channels)) + "\n"


def test_it_is_built_for_every_target_within_its_budgets(vibration):
    for target in TARGETS:
        assert vibration.figure(target, "delegation")["value"] == 1.0
        assert vibration.figure(target, "accuracy.auc")["value"] > 0.95
        assert vibration.figure(target, "size")["value"] < 100e3
        assert {item["status"] for item in vibration.outcome(target)["verdicts"]} <= {"met", "deferred"}
    assert not list((vibration.folder("raspberry-pi-4") / "lib").glob("*kernels*")), "all of it runs in the delegate"


def test_a_growing_fault_gives_an_alarm_and_a_whole_bearing_none(vibration, recording):
    code, events = run(vibration, "-", "--events", data=recording.tobytes())
    assert code == 0
    assert events[0]["event"] == "alarm"
    assert 5 < events[0]["time_s"] < 12
    assert events[-1]["event"] == "alarm", "at its end the fault stands"
    assert run(vibration, "-", "--events", data=recording[: 5 * 20_000].tobytes()) == (0, [])


def test_windows_slide_by_the_hop_and_a_line_has_score_and_time(vibration, recording):
    code, lines = run(vibration, "-", data=recording[:2048].tobytes())
    assert code == 0
    assert [line["source"] for line in lines] == [f"stream window {index}" for index in range(5)]
    assert [line["time_s"] for line in lines] == [(1024 + 256 * index) / 20_000 for index in range(5)]
    assert all(line["alarm"] is False and line["score"] > 0 for line in lines)


def test_csv_gives_the_scores_of_raw_samples(vibration, recording, tmp_path):
    _, raw = run(vibration, "-", data=recording[:4096].tobytes())
    text = "acceleration_mg\n" + as_csv(recording[:4096])
    (tmp_path / "bearing.csv").write_text(text.replace("\n", "\r\n"))
    for code, lines in (run(vibration, "-", "--csv", data=text, text=True), run(vibration, tmp_path / "bearing.csv")):
        assert code == 0
        assert [line["score"] for line in lines] == [line["score"] for line in raw]


def test_what_is_damaged_is_named_and_the_stream_goes_on(vibration, recording):
    values = [f"{value:g}" for value in recording[:4096]]
    values[1500] = "sensor restarted"
    values[2000] = "nan"
    values[2001] = "1,2"
    code, lines = run(vibration, "-", "--csv", data="\n".join(values), text=True)
    wrong = [line for line in lines if "error" in line]
    assert code == 8
    assert wrong[0] == {
        "source": "stream line 1501",
        "error": "the line holds 'sensor restarted', which is no number; it is left out",
    }
    assert any("2 numbers, not 1" in line["error"] for line in wrong)
    assert sum("not finite" in line["error"] for line in wrong) == 4, "each window that the NaN is in"
    assert "score" in lines[-1]


@pytest.mark.parametrize(
    "data, words", [(b"", "before its first window"), (bytes(10), "2 of 4 bytes of a sample"), (bytes(400), "before its first")]
)
def test_a_stream_cut_short_is_told(vibration, data, words):
    code, lines = run(vibration, "-", data=data)
    assert code == 8
    assert words in " ".join(line["error"] for line in lines)


def test_recordings_that_are_no_files_are_told_and_the_others_run(vibration, recording, tmp_path):
    (tmp_path / "good.raw").write_bytes(recording[:1024].tobytes())
    code, lines = run(vibration, tmp_path / "gone.raw", tmp_path, tmp_path / "good.raw")
    assert code == 8
    assert "cannot be opened" in lines[0]["error"]
    assert "score" in lines[-1]


def test_the_bundle_verifies_itself(vibration, edgec):
    done = edgec("verify", vibration.folder("linux-x86_64"))
    assert done.returncode == 0, done.stdout + done.stderr
