"""The task detection: its options, the heads that fit them, and decoding and suppression by cases computed by hand."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edgec.artifacts.manifest import Image
from edgec.artifacts.project import Project
from edgec.datasets.pixels import fit, placement
from edgec.diagnostics import Failure
from edgec.tasks import detection
from edgec.tasks.detections import detections

SQUARE = Image(width=64, height=64, fit="stretch")
OPTIONS = {"labels": ["cat", "dog"], "anchors": [[[16, 8]]]}


def head(*cells, size=4, classes=2, anchors=1):
    """A head of ``size`` x ``size`` cells that is sure of nothing but ``cells``: (anchor, row, column, values)."""
    values = np.full((anchors, 5 + classes, size, size), -20.0, np.float32)
    values[:, :4] = 0.0
    for anchor, row, column, given in cells:
        values[anchor, :, row, column] = given
    return values.reshape(-1, size, size)


def logit(share):
    return float(np.log(share / (1 - share)))


def found(*heads, source=(64, 64), image=SQUARE, **options):
    return detections(heads, {**OPTIONS, **options}, 2, image, source)


def test_a_cell_is_decoded_as_the_paper_says():
    # Offsets of 0.5 in cell (1, 2) of 4 x 4 over 64 pixels: the centre is (40, 24). exp(0) and exp(ln 2) of 16 x 8.
    one = found(head((0, 1, 2, [0, 0, 0, np.log(2), logit(0.9), logit(0.8), logit(0.3)])))
    assert one.classes.tolist() == [0, 1], "both classes reach the threshold of 0.25"
    np.testing.assert_allclose(one.scores, [0.72, 0.27], rtol=1e-6)
    np.testing.assert_allclose(one.boxes, [[32, 16, 16, 16]] * 2, rtol=1e-6)


def test_offsets_are_sigmoids_within_the_cell():
    one = found(head((0, 3, 0, [logit(0.25), logit(0.75), 0, 0, 9, 9, -9])))
    np.testing.assert_allclose(one.boxes[0], [4 - 8 + 4, 60 - 4, 12, 8], rtol=1e-6)  # cut off at the left edge


def test_of_overlapping_boxes_of_one_class_the_best_stays_and_other_classes_are_their_own():
    cells = [
        (0, 1, 1, [0, 0, 1, 1, logit(0.9), 20, -20]),
        (0, 1, 2, [-20, 0, 1, 1, logit(0.8), 20, -20]),  # 24 - 32: a shift of 8 of 43.5 pixels, IoU 0.69
        (0, 2, 1, [0, -20, 1, 1, logit(0.7), -20, 20]),
    ]
    one = found(head(*cells))
    assert one.classes.tolist() == [0, 1]
    np.testing.assert_allclose(one.scores, [0.9, 0.7], rtol=1e-6)
    assert found(head(*cells), iou_threshold=0.7).classes.tolist() == [0, 0, 1]


def test_a_box_that_a_suppressed_one_overlaps_is_kept():
    # Three of 32 x 8 in a row, each 8 pixels on: neighbours overlap by 24 of 40 pixels, the outer two by 16 of 48.
    row = [(0, 4, column, [0, 0, 0, 0, logit(score), 20, -20]) for column, score in ((2, 0.9), (3, 0.8), (4, 0.7))]
    one = found(head(*row, size=8), anchors=[[[32, 8]]], iou_threshold=0.5)
    np.testing.assert_allclose(one.scores, [0.9, 0.7], rtol=1e-6)
    assert len(found(head(*row, size=8), anchors=[[[32, 8]]], iou_threshold=0.61).scores) == 3
    assert len(found(head(*row, size=8), anchors=[[[32, 8]]], iou_threshold=0.3).scores) == 1


def test_equal_scores_keep_the_order_of_the_heads():
    cells = [(0, row, column, [0, 0, 0, 0, 2, 2, -20]) for row, column in ((3, 3), (0, 0), (0, 3))]
    one = found(head(*cells))
    np.testing.assert_allclose(one.boxes[:, :2], [[0, 4], [48, 4], [48, 52]])


def test_the_heads_and_anchors_go_together():
    coarse, fine = head((0, 0, 0, [0, 0, 0, 0, 9, 9, -9]), size=2), head((0, 0, 0, [0, 0, 0, 0, 8, -9, 9]))
    one = found(coarse, fine, anchors=[[[20, 20]], [[10, 4]]])
    assert one.classes.tolist() == [0, 1]
    np.testing.assert_allclose(one.boxes, [[6, 6, 20, 20], [3, 6, 10, 4]])


def test_no_more_than_asked_and_none_below_the_threshold():
    cells = [(0, row, column, [0, 0, -3, -3, 9, 9, -20]) for row in range(4) for column in range(4)]
    assert len(found(head(*cells)).scores) == 16
    assert len(found(head(*cells), max_detections=5).scores) == 5
    assert found(head()).boxes.shape == (0, 4)
    assert len(found(head(*cells), score_threshold=1.0).scores) == 0


def test_absurd_logarithms_overflow_nothing():
    with np.errstate(all="raise"):
        one = found(head((0, 1, 1, [0, 0, 1e4, 1e4, 1e4, 1e4, -1e4])))
    np.testing.assert_allclose(one.boxes, [[0, 0, 64, 64]])


def test_a_box_outside_the_picture_is_none():
    # The picture fills the middle half of the input; the cell's box lies in the black above it.
    tall = Image(width=64, height=64, fit="contain")
    assert found(head((0, 0, 1, [0, -20, 0, 0, 9, 9, -9])), image=tall, source=(128, 64)).boxes.size == 0
    assert found(head((0, 1, 1, [0, 0, 0, 0, 9, 9, -9])), image=tall, source=(128, 64)).boxes.tolist() == [[32, 8, 32, 16]]


@pytest.mark.parametrize("how", ["stretch", "cover", "contain"])
@pytest.mark.parametrize("source", [(200, 100), (100, 200), (64, 48), (33, 77), (640, 427)])
def test_where_a_point_of_the_fitted_picture_lies(how, source):
    """A bright square in the source is found again, in the fitted picture, where the placement says."""
    picture = PIL.Image.new("RGB", source)
    x, y, side = source[0] * 0.4, source[1] * 0.45, min(source) * 0.3
    picture.paste((255, 255, 255), (round(x), round(y), round(x + side), round(y + side)))
    image = Image(width=96, height=80, fit=how)
    lit = np.asarray(fit(picture, image.width, image.height, how))[:, :, 0] > 127
    down, across = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    place = placement(source, image)
    assert across[0] * place.across + place.left == pytest.approx(round(x), abs=place.across)
    assert (across[-1] + 1) * place.across + place.left == pytest.approx(round(x + side), abs=place.across)
    assert down[0] * place.down + place.upper == pytest.approx(round(y), abs=place.down)
    assert (down[-1] + 1) * place.down + place.upper == pytest.approx(round(y + side), abs=place.down)


def test_heads_that_are_none_of_its_anchors_are_refused_with_what_they_should_be():
    options = {"labels": ["a", "b", "c"], "anchors": [[[1, 2], [3, 4]], [[5, 6]]]}
    assert detection.unfit(options, ("a", "b", "c"), [(1, 16, 5, 5), (1, 8, 10, 10)]) is None
    why = detection.unfit(options, ("a", "b", "c"), [(1, 16, 5, 5)])
    assert why is not None and "[1, 16, rows, columns], [1, 8, rows, columns]" in why and "[1, 16, 5, 5]" in why
    assert detection.unfit(options, ("a", "b", "c"), [(1, 16, 5, 5), (1, 9, 10, 10)])
    assert detection.unfit(options, ("a", "b", "c"), [(1, 16, 25), (1, 8, 10, 10)])


def test_one_label_will_do_and_a_repeated_one_will_not(tmp_path: Path):
    project = Project(root=tmp_path, folder=tmp_path)
    assert detection.labels({"labels": ["face"]}, project) == ("face",)
    (tmp_path / "one.txt").write_text("face\n")
    assert detection.labels({"labels": "one.txt"}, project) == ("face",)
    with pytest.raises(Failure, match="stands twice"):
        detection.labels({"labels": ["face", "face"]}, project)
