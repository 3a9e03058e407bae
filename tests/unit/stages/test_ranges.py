"""Data to learn ranges from is refused where it is of another size than what the model is judged on, and only there."""

import numpy as np
import pytest

from edgec.artifacts.manifest import Dimension, Input
from edgec.artifacts.samples import NO_CLASS, Sample
from edgec.diagnostics import Failure
from edgec.stages.ranges import RATIO, refuse_other_range

AXES = tuple(Dimension(minimum=size, maximum=size) for size in (1, 100))
PLAIN = Input(name="x", dtype="float32", shape=AXES)


class Samples(list[Sample]):
    def identities(self):
        return [(sample.id, sample.label) for sample in self]


def data(scale, count=40, loud=0, label=None):
    generator = np.random.default_rng(3)
    rows = [generator.standard_normal((1, 100)).astype(np.float32) * scale for _ in range(count)]
    found = enumerate(row * (1000 if index < loud else 1) for index, row in enumerate(rows))
    return Samples(Sample(id=str(index), tensors={"x": row}, label=label) for index, row in found)


def refused(learned, judged, item=PLAIN):
    with pytest.raises(Failure) as caught:
        refuse_other_range([item], "calibration", learned, judged)
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("scale", [255.0, 32768.0, 2 * RATIO])
def test_larger_and_smaller_are_told_apart(scale):
    assert "times less" in refused(data(scale), data(1.0)).message
    assert "bits would go unused" in refused(data(scale), data(1.0)).hint
    assert "times more" in refused(data(1.0), data(scale)).message
    assert "cut off" in refused(data(1.0), data(scale)).hint


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_data_of_one_kind_pass(scale):
    refuse_other_range([PLAIN], "calibration", data(scale), data(1.0))


def test_a_few_loud_samples_say_nothing():
    refuse_other_range([PLAIN], "calibration", data(1.0, loud=5), data(1.0))
    refuse_other_range([PLAIN], "calibration", data(1.0), data(1.0, loud=5))


def test_quiet_recordings_beside_the_words_say_nothing():
    judged = Samples(data(1.0, 20, label=0) + data(0.001, 400, label=NO_CLASS))
    refuse_other_range([PLAIN], "calibration", data(1.0), judged)
    refuse_other_range([PLAIN], "calibration", judged, data(1.0))
    assert "times less" in refused(data(255.0), judged).message


def test_recordings_alone_are_compared():
    assert "times less" in refused(data(1.0), data(0.001, label=NO_CLASS)).message


@pytest.mark.parametrize(("learned", "judged"), [([], data(1.0)), (data(255.0), []), (data(0.0), data(1.0))])
def test_nothing_is_compared_with_nothing(learned, judged):
    refuse_other_range([PLAIN], "calibration", learned, judged)


def test_whole_numbers_have_no_scale():
    tokens = Input(name="x", dtype="int64", shape=AXES)
    refuse_other_range([tokens], "calibration", data(255.0), data(1.0))
