"""Segmentation: a plane of scores a label, and nothing else."""

import pytest

from edgec.tasks import segmentation

LABELS = ("sky", "road", "tree")


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 3, 1, 5)])
def test_a_plane_for_each_label_fits(shape):
    assert segmentation.unfit({}, LABELS, [shape, (1, 3)]) is None


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (1, 3), (1, 8, 8), (2, 3, 8, 8), (1, 8, 8, 3)])
def test_other_shapes_are_refused_with_what_is_wanted(shape):
    message = segmentation.unfit({}, LABELS, [shape])
    assert message is not None and "[1, 3, height, width]" in message and str(list(shape)) in message
