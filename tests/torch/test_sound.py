"""Log-mel features compiled into the artifact: against an independent implementation, in every recipe in float, and refused."""

import hashlib
from dataclasses import replace

import numpy as np
import plans
import pytest
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram

from edgec.artifacts.manifest import Audio, Choice, Data, Dimension, Input, LogMel, Stream
from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.lowering import lowering
from edgec.runtime.session import Session
from edgec.stages.quantize import checked
from edgec.stages.sound import log_mel

RATE = 16000
SOURCE = '''
import torch
from torch import nn


class Listener(nn.Module):
    """Features [N, 1, 20, frames] to 4 scores."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.scores = nn.Linear(8, 4)

    def forward(self, x):
        return self.scores(self.layers(x).flatten(1))


class Features(nn.Module):
    def forward(self, x):
        return x
'''


def features(**options) -> LogMel:
    given = {"bands": 20, "window": 400, "hop": 320, "fft": 400, "fmin": 20.0, "fmax": 4000.0, **options}
    return LogMel(**given)


def reference(wave: np.ndarray, given: LogMel) -> np.ndarray:
    """The same by transformers' NumPy code, in float64: [bands, frames]."""
    norm = None if given.norm == "none" else given.norm
    bank = mel_filter_bank(given.fft // 2 + 1, given.bands, given.fmin, given.fmax, RATE, norm=norm, mel_scale=given.scale)
    around = (given.fft - given.window) // 2
    window = np.pad(np.hanning(given.window + 1)[:-1], (around, given.fft - given.window - around))
    sizes = {"frame_length": given.fft, "hop_length": given.hop, "fft_length": given.fft}
    wave = wave.astype(np.float64)
    power = spectrogram(wave, window, **sizes, power=2.0, center=False, mel_filters=bank, mel_floor=0.0)
    return (np.log(power + given.floor) - given.mean) / given.std


def sounds(count: int, samples: int = RATE) -> np.ndarray:
    """Chords, each of its own, over noise of its own loudness; the first is silence."""
    random = np.random.default_rng(0)
    time = np.arange(samples) / RATE
    waves = [sum(np.sin(2 * np.pi * random.uniform(60, 3800) * time) for _ in range(3)) / 6 for _ in range(count)]
    loud = [wave * random.uniform(0.01, 1) + random.normal(0, 10 ** random.uniform(-4, -1), samples) for wave in waves]
    loud[0] = np.zeros(samples)
    return np.float32(np.stack(loud))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mean": -3.5, "std": 2.0, "floor": 1e-9},
        {"bands": 40, "hop": 160, "fft": 512, "fmin": 0.0, "fmax": 8000.0, "scale": "slaney", "norm": "slaney"},
        {"bands": 80, "window": 401, "hop": 100, "fft": 1024, "fmin": 60.0, "fmax": 7600.0},
    ],
)
def test_features_are_those_of_an_independent_implementation(options):
    given = features(**options)
    waves = sounds(6)
    with torch.no_grad():
        found = log_mel(given, RATE)(torch.from_numpy(waves)).numpy()
    assert found.shape == (6, 1, given.bands, 1 + (RATE - given.fft) // given.hop)
    for wave, rows in zip(waves, found, strict=True):
        # Where there is hardly any power, float32's rounding of the loud parts is what is left of it.
        assert np.abs(rows[0] - reference(wave, given)).max() < 2e-3
        assert np.abs(rows[0] - reference(wave, given)).mean() < 1e-4


def audio(given: LogMel | None) -> Input:
    shape = (Dimension(minimum=1, maximum=1), Dimension(minimum=RATE, maximum=RATE))
    stream, sound = Stream(rate=float(RATE), hop=4000), Audio(rate=RATE, features=given)
    return Input(name="audio", dtype="float32", shape=shape, stream=stream, audio=sound)


@pytest.fixture(scope="module")
def lowered(tmp_path_factory):
    """Lower one of the networks with a recipe; return the record and the artifact's answers to eight sounds."""

    def of(name: str, recipe: str, given: LogMel | None = None, waves: np.ndarray | None = None):
        folder = tmp_path_factory.mktemp(recipe)
        (folder / "nets.py").write_text(SOURCE)
        np.savez(folder / "sounds.npz", audio=sounds(16))
        made = plans.plan(
            Choice(name="python", options={"entry": f"nets:{name}"}), (audio(given or features()),),
            recipe=Choice(name=recipe), delegates=("xnnpack",),
            data=tuple(Data(role=role, format="npz", options={"path": "sounds.npz"}) for role in ("calibration", "evaluation")),
        )  # fmt: skip
        made = replace(made, files={"nets.py": hashlib.sha256(SOURCE.encode()).hexdigest()})
        project = Project(root=folder, folder=folder, files=made.files)
        record = lowering(made, project, folder, lambda text: None)
        with Session(folder) as session:
            session.load(folder / "model.pte", record.pte_sha256, False)
            return record, [session.run([wave[None]])[0] for wave in (sounds(8) if waves is None else waves)]

    return of


def test_features_in_the_artifact_are_the_references(lowered):
    record, answers = lowered("Features", "fp32", features(mean=-3.0, std=3.0))
    assert record.delegation == 1.0
    assert record.inputs[0].shape == (1, RATE)
    for wave, answer in zip(sounds(8), answers, strict=True):
        assert np.abs(answer[0, 0] - reference(wave, features(mean=-3.0, std=3.0))).max() < 2e-3


@pytest.mark.parametrize("recipe", ["int8", "int8-dynamic", "mixed"])
def test_the_network_is_quantized_and_the_features_are_not(recipe, lowered):
    record, _ = lowered("Listener", recipe)
    assert record.delegation == 1.0
    total = record.boundaries[-1]
    assert total.sqnr > 25, "features in 8 bits came to single figures"
    basis = 4 * 2 * 100 * 400  # what the transform's weights take in float32
    assert record.pte_bytes > basis


def test_power_beyond_float16_is_computed_in_float32(lowered):
    given = features(window=1600, hop=1600, fft=1600)
    loud = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    record, (answer,) = lowered("Features", "fp16", given, loud[None])
    expected = reference(loud, given)
    assert expected.max() > np.log(65504), "it is not loud enough to show anything"
    assert record.delegation == 1.0
    assert np.abs(answer[0, 0] - expected).max() < 2e-2


def test_whole_numbers_are_no_sound():
    loud = type("S", (), {"id": "a", "tensors": {"audio": np.full((1, RATE), 3000, np.float32)}, "label": None})()
    quiet = type("S", (), {"id": "b", "tensors": {"audio": np.zeros((1, RATE), np.float32)}, "label": None})()
    with pytest.raises(Failure, match="samples are -1"):
        list(checked((audio(None),), [loud, quiet], 1))
