"""Calibration data that cannot serve is refused by name before it can make a silently wrong model."""

import numpy as np
import pytest

from edgec.artifacts.manifest import Dimension, Image, Input
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Failure
from edgec.stages import quantize

FIXED = tuple(Dimension(minimum=size, maximum=size) for size in (1, 4, 4, 3))
PICTURE = Input(name="image", dtype="float32", shape=FIXED, image=Image(width=4, height=4))
PLAIN = Input(name="x", dtype="float32", shape=(Dimension(minimum=1, maximum=1), Dimension(minimum=2, maximum=8)))


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch):
    """Batches are torch's business: here the samples themselves come through."""
    monkeypatch.setattr(quantize, "batches", lambda samples, inputs, size: iter([len(samples)]))


def samples(given, *arrays):
    return [Sample(id=f"s{index}", tensors={given.name: array}) for index, array in enumerate(arrays)]


def refusal(given, data):
    with pytest.raises(Failure) as caught:
        list(quantize.checked([given], data, 2))
    return caught.value.diagnostics[0]


def noise(low, high, shape=(1, 4, 4, 3)):
    return np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)


def test_good_data_comes_in_batches():
    assert list(quantize.checked([PICTURE], samples(PICTURE, *[noise(0, 255)] * 5), 2)) == [2, 2, 1]


def test_no_data():
    assert refusal(PICTURE, []).code == "calibration-empty"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (-2.1, 2.6), (0, 65535)])
def test_pictures_that_are_not_0_to_255(low, high):
    finding = refusal(PICTURE, samples(PICTURE, noise(low, high), noise(low, high)))
    assert finding.code == "calibration-range"
    assert "'image'" in finding.message


def test_a_plain_tensor_may_lie_anywhere():
    list(quantize.checked([PLAIN], samples(PLAIN, noise(-2, 1, (1, 5))), 1))


def test_all_zero_data():
    assert refusal(PICTURE, samples(PICTURE, *[np.zeros((1, 4, 4, 3), np.float32)] * 3)).code == "calibration-constant"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_names_its_sample(value):
    bad = noise(0, 255)
    bad[0, 1, 1, 1] = value
    finding = refusal(PICTURE, samples(PICTURE, noise(0, 255), bad))
    assert (finding.code, "'s1'" in finding.message) == ("calibration-range", True)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (4, 4, 3), (2, 4, 4, 3)])
def test_another_shape_names_its_sample_and_both_shapes(shape):
    finding = refusal(PICTURE, samples(PICTURE, noise(0, 255), noise(0, 255, shape)))
    assert finding.code == "calibration-shape"
    assert "'s1'" in finding.message
    assert str(list(shape)) in finding.message


def test_a_dynamic_axis_takes_what_lies_between_its_bounds():
    list(quantize.checked([PLAIN], samples(PLAIN, noise(0, 1, (1, 2)), noise(0, 1, (1, 8))), 1))
    assert "2..8" in refusal(PLAIN, samples(PLAIN, noise(0, 1, (1, 9)))).message


def test_a_sample_without_the_input():
    assert refusal(PICTURE, [Sample(id="s0", tensors={})]).code == "calibration-shape"
