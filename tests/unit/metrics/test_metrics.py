"""Metrics against values worked out by hand."""

import numpy as np
import pytest

from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Failure
from edgec.metrics import accuracy, agreement, max_abs_error, sqnr, top1, top5


def evaluation(outputs, reference=None, labels=None):
    outputs = np.array(outputs, dtype=np.float32)
    reference = outputs if reference is None else np.array(reference, dtype=np.float32)
    return Evaluation(
        ids=tuple(str(index) for index in range(len(outputs))),
        outputs=(outputs,),
        reference=(reference,),
        labels=None if labels is None else np.array(labels),
    )


def test_top1_counts_the_highest_score():
    found = evaluation([[0, 1, 2], [5, 1, 2], [0, 9, 2], [0, 1, 2]], labels=[2, 0, 1, 0])
    assert top1.value(found, {}) == 0.75
    assert top1.scores(found.outputs, found, {}).tolist() == [1, 1, 1, 0]


def test_top5_counts_the_five_highest_and_breaks_ties_by_index():
    rows = [list(range(10)), [0] * 10, [0] * 10]
    found = evaluation(rows, labels=[5, 4, 5])
    assert top5.scores(found.outputs, found, {}).tolist() == [1, 1, 0]
    assert top5.value(found, {}) == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", [top1, top5])
def test_labels_are_needed(metric):
    assert metric.NEEDS_LABELS
    with pytest.raises(ValueError, match="labels"):
        metric.value(evaluation([[1, 2]]), {})


@pytest.mark.parametrize("labels", [np.zeros((2, 3, 6)), np.zeros((2, 2, 2), int), [0.5, 1.0], ["a", "b"]])
@pytest.mark.parametrize("metric", [top1, top5, accuracy])
def test_a_truth_that_is_not_one_class_a_sample_is_refused(metric, labels):
    with pytest.raises(Failure, match="one class index") as caught:
        metric.value(evaluation([[1, 2], [3, 4]], labels=labels), {})
    assert caught.value.diagnostics[0].code == "data-labels"


def test_agreement_is_with_the_reference_not_with_labels():
    found = evaluation([[0, 1], [1, 0], [0, 1]], reference=[[0, 2], [0, 1], [3, 4]], labels=[0, 0, 0])
    assert agreement.value(found, {}) == pytest.approx(2 / 3)


def test_agreement_of_a_map_is_a_share_of_places():
    reference = np.zeros((1, 2, 2, 2))
    reference[0, 1] = [[1, 1], [0, 0]]
    actual = np.zeros((1, 2, 2, 2))
    actual[0, 1] = [[1, 0], [0, 0]]
    assert agreement.value(evaluation(actual, reference), {}) == 0.75


@pytest.mark.parametrize(
    ("shape", "places"),
    [((4, 5), 1), ((4, 1, 5), 1), ((4, 1, 1, 5), 1), ((4,), 1), ((4, 3, 5), 3), ((4, 5, 2, 3), 6), ((4, 5, 2, 3, 2), 12)],
)
def test_agreement_is_taken_over_the_classes_wherever_they_lie(shape, places):
    assert agreement.decisions(np.zeros(shape)).shape == (4, places)


def test_agreement_sees_a_changed_class_behind_other_axes():
    reference = np.array([[[3, 2, 1]], [[3, 2, 1]]])
    actual = np.array([[[3, 2, 1]], [[1, 2, 3]]])
    assert agreement.value(evaluation(actual, reference), {}) == 0.5
    steps = np.array([[[3, 2, 1], [1, 2, 3]]])
    assert agreement.value(evaluation(steps[:, ::-1], steps), {}) == 0.0
    assert agreement.value(evaluation([[[3, 2, 1], [3, 2, 1]]], steps), {}) == 0.5


def test_sqnr_is_ten_times_the_log_of_the_power_ratio():
    found = evaluation([[1.1, 0.0]], reference=[[1.0, 0.0]])
    assert sqnr.value(found, {}) == pytest.approx(20.0, abs=1e-4)
    assert sqnr.scores(found.outputs, found, {}) is None


@pytest.mark.parametrize(
    ("reference", "actual", "decibels"),
    [
        ([1.0], [1.0], sqnr.CEILING),
        ([0.0], [1.0], -sqnr.CEILING),
        ([1.0], [float("nan")], -sqnr.CEILING),
        ([0.0], [0.0], 200),
    ],
)
def test_sqnr_at_its_ends_is_a_number(reference, actual, decibels):
    assert sqnr.decibels(np.array(reference), np.array(actual)) == decibels


def test_sqnr_of_several_outputs_is_the_worst():
    good, bad = np.ones((2, 3), np.float32), np.full((2, 3), 2, np.float32)
    found = Evaluation(ids=("a", "b"), outputs=(good, bad), reference=(good, good), labels=None)
    assert sqnr.value(found, {}) == 0.0


def test_max_abs_error_is_the_largest_difference():
    assert max_abs_error.value(evaluation([[1, 5], [2, 2]], reference=[[1, 2], [2, -2]]), {}) == 4.0
    assert not max_abs_error.HIGHER_IS_BETTER
