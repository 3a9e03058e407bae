"""The keyword spotter, from its manifest to words told on a stream: WAV and raw samples, whole and damaged."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sound_files import FLOAT, encoded, wav

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "manifests" / "data" / "keyword"
TARGETS = ("jetson-nano", "raspberry-pi-4", "linux-x86_64")
RATE, HOP = 16000, 4000
SAID = {"down": 5, "yes": 12, "left": 20, "go": 27}
"""Words, and the second in which each is said."""


def read(path):
    return soundfile.read(path, dtype="float32")[0]


@pytest.fixture(scope="module")
def speech():
    """Half a minute of noise, with a clip of each word of SAID laid into it; all voices are held out."""
    random = np.random.default_rng(0)
    wave = np.float32(random.normal(0, 0.01, 32 * RATE))
    for word, second in SAID.items():
        wave[second * RATE : (second + 1) * RATE] += read(DATA / "test" / word / "000.flac") * 0.5
    return np.round(np.clip(wave, -1, 1) * 32767) / 32768


@pytest.fixture(scope="module")
def listen(keyword):
    """Run the x86-64 bundle's run.sh; return the exit code and its lines."""

    def run(*arguments, data=b""):
        command = [keyword.folder("linux-x86_64") / "run.sh", *arguments]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture(scope="module")
def heard(listen, speech, tmp_path_factory):
    """The lines for the speech as a WAV file."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    path.write_bytes(wav(encoded(speech, 16)))
    code, lines = listen(path)
    assert code == 0
    return lines


def without_clock(lines):
    return [{key: value for key, value in line.items() if key not in ("source", "latency_ms")} for line in lines]


def test_it_is_built_within_its_budgets(keyword):
    for target in TARGETS:
        assert keyword.figure(target, "delegation")["value"] == 1.0
        assert keyword.figure(target, "accuracy.accuracy")["value"] > 0.9
        assert keyword.figure(target, "size")["value"] < 500e3
        assert {item["status"] for item in keyword.outcome(target)["verdicts"]} <= {"met", "deferred"}
        assert not list((keyword.folder(target) / "lib").glob("*kernels*")), "all of it runs in the delegate"
    far = keyword.figure("linux-x86_64", "accuracy.far-per-hour")
    assert far["interval"][0] <= far["value"] <= far["interval"][1]


def test_words_are_told_once_each_and_when_they_are_said(heard):
    events = [line for line in heard if "event" in line]
    assert [line["label"] for line in events] == list(SAID)
    for line, second in zip(events, SAID.values(), strict=True):
        assert line["event"] == "keyword"
        assert line["score"] >= 0.6
        assert second < line["time_s"] <= second + 2, "the window that tells it has the word in it"
    assert [line["time_s"] for line in heard[:3]] == [1.0, 1.25, 1.5]
    assert len(heard) == (32 * RATE - RATE) // HOP + 1


def test_events_are_those_lines_alone(listen, heard, speech):
    code, events = listen("-", "--events", data=encoded(speech, 16))
    assert code == 0
    assert without_clock(events) == [line for line in without_clock(heard) if "event" in line]


@pytest.mark.parametrize(
    "data",
    [
        lambda speech: encoded(speech, 16),
        lambda speech: wav(encoded(speech, 16)),
        lambda speech: wav(encoded(speech, 16), size=0xFFFFFFFF, before=b"LIST\x03\0\0\0abc\0"),
        lambda speech: wav(encoded(speech, 32, FLOAT), bits=32, tag=FLOAT, size=0, extensible=True),
        lambda speech: wav(encoded(speech, 24), bits=24) + b"LIST\x08\0\0\0trailing",
    ],
    ids=["raw", "wav", "endless wav", "float wav", "24 bits and a chunk behind"],
)
def test_standard_input_gives_what_the_file_gives(listen, heard, speech, data):
    code, lines = listen("-", data=data(speech))
    assert code == 0
    assert without_clock(lines) == without_clock(heard)
    assert lines[0]["source"] == "stream window 0"


def test_the_runner_tells_what_the_metric_counts(keyword, listen, tmp_path):
    told, windows = 0, 0
    for path in sorted((DATA / "background").glob("*.flac")):
        code, lines = listen("-", data=encoded(read(path), 16))
        assert code == 0
        told, windows = told + sum("event" in line for line in lines), windows + len(lines)
    far = keyword.figure("linux-x86_64", "accuracy.far-per-hour")
    assert told / (windows * HOP / RATE / 3600) == pytest.approx(far["value"])


def test_what_cannot_be_heard_is_named_and_the_next_file_is_heard(listen, speech, tmp_path):
    second = encoded(speech[5 * RATE : 6 * RATE], 16)
    files = {
        "fast.wav": (wav(second, rate=44100), "44100 samples a second in 1 channels, the model hears 16000 in one: convert it"),
        "stereo.wav": (wav(second * 2, channels=2), "in 2 channels"),
        "alaw.wav": (wav(second, bits=8, tag=6), "A-law"),
        "cut.wav": (wav(second, size=48000), "16000 bytes of sound are missing"),
        "header.wav": (wav(second)[:30], "ends in its WAV header"),
        "short.wav": (wav(second[:9000]), "before its first window of 16000 samples"),
        "text.wav": (b"not a sound", "is no WAV file"),
        "odd.pcm": (second + b"\0", "1 of 2 bytes of a sample"),
        "good.wav": (wav(second), ""),
    }
    for name, (content, _) in files.items():
        (tmp_path / name).write_bytes(content)
    code, lines = listen(*(tmp_path / name for name in files), tmp_path / "gone.wav", tmp_path / "good.wav")
    assert code == 8
    for name, (_, words) in files.items():
        errors = [line["error"] for line in lines if line["source"].startswith(str(tmp_path / name)) and "error" in line]
        assert [words in error for error in errors] == ([True] if words else []), name
    assert [Path(line["source"].partition(" ")[0]).name for line in lines if "label" in line] == [
        "cut.wav", "odd.pcm", "good.wav", "good.wav",
    ]  # fmt: skip


def test_a_sample_that_is_no_number_costs_its_windows_alone(listen, heard, speech):
    damaged = np.float32(speech)
    damaged[9 * RATE] = np.nan
    code, lines = listen("-", data=wav(encoded(damaged, 32, FLOAT), bits=32, tag=FLOAT))
    assert code == 8
    wrong = [line for line in lines if "error" in line]
    assert len(wrong) == 4, "each window that it is in"
    assert all("not finite" in line["error"] for line in wrong)
    assert [line["label"] for line in lines if "event" in line] == list(SAID)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "before its first window"),
        (b"\1", "1 of 2 bytes"),
        (b"RIFF", "ends in its WAV header"),
        (wav(bytes(40000), rate=8000), "8000 samples a second"),
        (b"RIFF\0\0\0\0AVI " + bytes(100), "no WAV"),
    ],
)
def test_a_stream_that_is_none_is_told(listen, data, words):
    code, lines = listen("-", data=data)
    assert code == 8
    assert words in " ".join(line["error"] for line in lines)


@pytest.mark.parametrize("target", TARGETS)
def test_the_bundle_verifies_itself_here_or_under_emulation(keyword, edgec, target):
    done = edgec("verify", keyword.folder(target))
    assert done.returncode == 0, done.stdout + done.stderr
