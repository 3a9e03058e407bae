"""Folders of sound: every format to the same samples, order, windows of recordings, and what is wrong with a file."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgec.artifacts.manifest import Audio, Dimension, Input, Stream
from edgec.artifacts.project import Project
from edgec.artifacts.samples import NO_CLASS
from edgec.datasets import audio_folder, sounds
from edgec.diagnostics import Diagnostic, Failure
from sound_files import FLOAT, encoded, wav, write

LABELS = ("yes", "no")
RATE, LENGTH, HOP = 16000, 160, 40
WAVE = np.sin(np.arange(LENGTH) / 5) * 0.7


def sound_input() -> Input:
    shape = (Dimension(minimum=1, maximum=1), Dimension(minimum=LENGTH, maximum=LENGTH))
    return Input(name="audio", dtype="float32", shape=shape, stream=Stream(rate=RATE, hop=HOP), audio=Audio(rate=RATE))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path.resolve() / "root"
    (root / "data").mkdir(parents=True)
    return Project(root=root, folder=root)


def check(project: Project, labels: tuple[str, ...] = LABELS, **options: object) -> list[Diagnostic]:
    return audio_folder.check({"path": "data", **options}, project, [sound_input()], labels)


def samples(project: Project, **options: object):
    return audio_folder.samples({"path": "data", **options}, project, [sound_input()], LABELS)


def refusal(act) -> Diagnostic:
    with pytest.raises(Failure) as caught:
        act()
    return caught.value.diagnostics[0]


@pytest.mark.parametrize(
    "bits, tag, near", [(8, 1, 1 / 127), (16, 1, 1e-4), (24, 1, 1e-6), (32, 1, 1e-6), (32, FLOAT, 1e-7), (64, FLOAT, 1e-7)]
)
@pytest.mark.parametrize("extensible", [False, True])
def test_every_format_is_the_same_sound(project, bits, tag, near, extensible):
    path = write(project.root / "data" / "yes" / "a.wav", WAVE, bits, tag, extensible=extensible)
    head = sounds.header(path, "a.wav")
    assert (head.rate, head.channels, head.frames, head.bits) == (RATE, 1, LENGTH, bits)
    (sample,) = samples(project)
    assert sample.tensors["audio"].dtype == np.float32
    assert sample.tensors["audio"].shape == (1, LENGTH)
    assert np.abs(sample.tensors["audio"][0] - WAVE).max() <= near


def test_flac_is_the_same_as_wav(project):
    whole = np.round(WAVE * 32767) / 32768
    write(project.root / "data" / "yes" / "a.wav", whole)
    soundfile.write(project.root / "data" / "yes" / "b.flac", np.int16(whole * 32768), RATE)
    assert check(project, ("yes",)) == []
    wav_sample, flac_sample = samples(project)
    assert np.array_equal(wav_sample.tensors["audio"], flac_sample.tensors["audio"])


def test_an_odd_chunk_before_the_sound_is_skipped_with_its_padding(project):
    write(project.root / "data" / "a.wav", WAVE, before=b"LIST\x03\0\0\0abc\0")
    assert np.abs(samples(project)[0].tensors["audio"][0] - WAVE).max() < 1e-4


def test_clips_come_sorted_with_labels_then_the_windows_of_recordings_in_time(project):
    for name in ("yes/b.wav", "yes/a.wav", "no/c.wav"):
        write(project.root / "data" / name, WAVE)
    long = np.linspace(-0.5, 0.5, LENGTH + 2 * HOP + 5)
    write(project.root / "talk" / "day" / "1.wav", long)
    found = samples(project, recordings="talk")
    assert found.identities() == [
        ("no/c.wav", 1), ("yes/a.wav", 0), ("yes/b.wav", 0),
        *((f"talk/day/1.wav#{index}", NO_CLASS) for index in range(3)),
    ]  # fmt: skip
    assert np.abs(found[4].tensors["audio"][0] - long[HOP : HOP + LENGTH]).max() < 1e-4
    assert [path.name for path in audio_folder.files({"path": "data", "recordings": "talk"}, project)] == [
        "c.wav", "a.wav", "b.wav", "1.wav",
    ]  # fmt: skip


def test_centre_pads_shorter_files_and_takes_the_middle_of_longer_ones(project):
    write(project.root / "data" / "no" / "long.wav", np.linspace(-0.5, 0.5, LENGTH + 20))
    write(project.root / "data" / "yes" / "short.wav", np.full(LENGTH - 20, 0.25))
    assert [finding.code for finding in check(project)] == ["data-mismatch"]
    assert check(project, fit="centre") == []
    long, short = samples(project, fit="centre")
    assert np.abs(long.tensors["audio"][0] - np.linspace(-0.5, 0.5, LENGTH + 20)[10:-10]).max() < 1e-4
    assert np.array_equal(short.tensors["audio"][0], np.pad(np.full(LENGTH - 20, 0.25, np.float32), 10))


def test_what_is_not_as_the_input_is_told_by_kind(project):
    data = project.root / "data"
    write(data / "yes" / "fast.wav", WAVE, rate=44100)
    write(data / "yes" / "wide.wav", np.stack([WAVE, WAVE], 1))
    write(data / "no" / "long.wav", np.tile(WAVE, 2))
    write(data / "no" / "short.wav", WAVE[:99])
    messages = [finding.message for finding in check(project)]
    assert messages == [
        "1 of 4 files is not of 16000 samples a second: first 'yes/fast.wav' (44100)",
        "1 of 4 files is not of one channel: first 'yes/wide.wav' (2 channels)",
        "2 of 4 files are not 160 samples long: first 'no/long.wav' (320)",
    ]
    assert refusal(lambda: samples(project)).code == "data-mismatch"


def test_recordings_that_are_not_as_the_input_is_are_told_at_their_own_place(project):
    write(project.root / "data" / "yes" / "a.wav", WAVE)
    write(project.root / "talk" / "fast.wav", WAVE, rate=44100)
    write(project.root / "talk" / "short.wav", WAVE[:9])
    (project.root / "talk" / "text.wav").write_bytes(b"text")
    found = check(project, ("yes",), recordings="talk")
    assert [finding.where.route for finding in found] == [("recordings",)] * 3
    assert "1 of 3 files is not of 16000 samples a second: first 'fast.wav' (44100)" in [item.message for item in found]


def test_sound_that_is_named_otherwise_is_not_left_out_in_silence(project):
    write(project.root / "data" / "yes" / "a.wav", WAVE)
    write(project.root / "data" / "yes" / "b.wave", WAVE)
    (found,) = check(project, ("yes",))
    assert (found.code, found.severity) == ("data-unreadable", "warning")
    assert found.message == "files left out because they end in none of .wav, .flac: 1, first 'data/yes/b.wave'"


def test_recordings_that_are_named_otherwise_are_told_too(project):
    write(project.root / "data" / "yes" / "a.wav", WAVE)
    write(project.root / "talk" / "long.wav", WAVE)
    (project.root / "talk" / "more.mp3").write_bytes(b"sound")
    (found,) = check(project, ("yes",), recordings="talk")
    assert found.severity == "warning" and found.where.route == ("recordings",) and "'talk/more.mp3'" in found.message


def test_a_file_without_a_sample_is_no_silence(project):
    write(project.root / "data" / "yes" / "a.wav", WAVE[:0])
    (found,) = check(project, ("yes",), fit="centre")
    assert (found.code, found.message) == ("data-unreadable", "yes/a.wav cannot be read: it holds no sound")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"not a sound", "neither a WAV nor a FLAC file"),
        (b"", "neither a WAV nor a FLAC file"),
        (wav(b"", size=0)[:20], "format is cut short"),
        (wav(b"", size=0)[:36], "ends in its header"),
        (wav(bytes(100), size=320), "cut short: 100 of 320 bytes"),
        (wav(b""), "it holds no sound"),
        (wav(bytes(321)), "ends within a sample"),
        (wav(bytes(160), bits=8, tag=6), "A-law of 8 bits"),
        (wav(bytes(160), bits=4, tag=17), "ADPCM of 4 bits"),
        (wav(bytes(160), bits=12), "format 1 of 12 bits"),
        (wav(bytes(480), bits=24, block=4), "gives 4 bytes to a sample of 24 bits in 1 channels, which is read where"),
        (wav(bytes(320), channels=0), "0 channels"),
        (b"RIFF\0\0\0\0WAVEdata\x08\0\0\0" + bytes(8), "before its format"),
        (b"fLaC\0\0\0\x22" + bytes(8), "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(project, content, words):
    (project.root / "data" / "yes").mkdir()
    (project.root / "data" / "yes" / "a.wav").write_bytes(content)
    (found,) = check(project, ("yes",))
    assert found.code == "data-unreadable"
    assert "yes/a.wav" in found.message
    assert words in found.message
    assert refusal(lambda: sounds.header(project.root / "data" / "yes" / "a.wav", "a")).code == "data-unreadable"


def test_a_flac_file_that_is_damaged_inside_is_named_when_it_is_read(project):
    path = project.root / "data" / "yes" / "a.flac"
    path.parent.mkdir()
    soundfile.write(path, np.int16(np.random.default_rng(0).normal(0, 3000, LENGTH)), RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert check(project, ("yes",)) == [], "its header is whole"
    found = refusal(lambda: samples(project)[0])
    assert found.code == "data-unreadable"
    assert "yes/a.flac" in found.message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_no_number_is_named_with_its_place(project, bad):
    wave = WAVE.copy()
    wave[37] = bad
    write(project.root / "data" / "yes" / "a.wav", wave, 32, FLOAT)
    found = refusal(lambda: samples(project)[0])
    assert found.code == "data-not-finite"
    assert "yes/a.wav: sample 37" in found.message


def test_without_soundfile_flac_says_what_to_install(project, monkeypatch):
    path = project.root / "data" / "yes" / "a.flac"
    path.parent.mkdir()
    soundfile.write(path, np.int16(WAVE * 9999), RATE)
    monkeypatch.setattr("edgec.runtime.extras.importlib.util.find_spec", lambda name: None)
    found = refusal(lambda: samples(project)[0])
    assert found.code == "tool-missing"
    assert "edgec[audio]" in found.message


def test_folders_that_do_not_serve(project):
    assert [finding.code for finding in check(project)] == ["data-empty"]
    write(project.root / "data" / "maybe" / "a.wav", WAVE)
    (project.root / "data" / "maybe" / "b.mp3").write_bytes(b"ID3")
    found = check(project, recordings="talk")
    assert [finding.code for finding in found] == ["data-missing"]
    (project.root / "talk").mkdir()
    assert [(finding.code, finding.where.route) for finding in check(project, recordings="talk")] == [
        ("data-empty", ("recordings",))
    ]
    write(project.root / "talk" / "a.wav", WAVE[:50])
    codes = [(finding.code, finding.severity) for finding in check(project, recordings="talk")]
    assert codes == [
        ("data-unreadable", "warning"), ("data-labels", "error"), ("data-labels", "warning"), ("data-mismatch", "error"),
    ]  # fmt: skip
    plain = Input(name="x", dtype="float32", shape=sound_input().shape)
    (found,) = audio_folder.check({"path": "data"}, project, [plain], LABELS)
    assert "'x' is none" in found.message


def test_encoding_and_decoding_agree_at_the_ends_of_the_range():
    assert encoded(np.array([-1.0, 1.0]), 16) == b"\x00\x80\xff\x7f"
