"""The anomaly task's options and outputs, and its metrics against scikit-learn and figures worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Failure
from edgec.metrics import auc, delay
from edgec.tasks import anomaly


def evaluation(scores, labels):
    outputs = np.asarray(scores, np.float32).reshape(-1, 1)
    ids = tuple(str(index) for index in range(len(outputs)))
    return Evaluation(ids=ids, outputs=(outputs,), reference=(outputs,), labels=None if labels is None else np.asarray(labels))


def test_truths_may_be_truth_values():
    assert auc.value(evaluation([1, 2, 3], [False, False, True]), {}) == 1.0


def test_auc_is_scikit_learns_with_equal_scores_too():
    random = np.random.default_rng(0)
    for _ in range(20):
        labels = random.integers(0, 2, 40)
        scores = np.round(random.normal(labels, 1), 1).astype(np.float32)
        assert auc.value(evaluation(scores, labels), {}) == pytest.approx(roc_auc_score(labels, scores))


@pytest.mark.parametrize("scores, expected", [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], 0.0), ([5, 5, 5, 5], 0.5)])
def test_auc_at_its_ends(scores, expected):
    assert auc.value(evaluation(scores, [0, 0, 1, 1]), {}) == expected


@pytest.mark.parametrize(
    "labels, words",
    [
        (None, "one number"),
        (["a", "b", "c"], "one number"),
        ([0, 0, 0], "only normal"),
        ([1, 2, 1], "only faults"),
        ([1, -1, 1], "0 for normal and 1 for a fault; here it is -1"),
    ],
)
def test_truths_that_tell_nothing_are_refused(labels, words):
    with pytest.raises(Failure, match=words):
        auc.value(evaluation([1, 2, 3], labels), {})


@pytest.mark.parametrize(
    "scores, labels, after, expected",
    [
        ([0, 0, 9, 9], [0, 0, 1, 1], 1, 0),
        ([0, 0, 0, 9], [0, 0, 1, 1], 1, 1),
        ([0, 0, 9, 9], [0, 0, 1, 1], 2, 1),
        ([0, 9, 9, 9], [0, 0, 1, 1], 2, 1),  # the score before the fault does not count
        ([0, 0, 0, 0], [0, 0, 1, 1], 1, 2),  # never told: as long as it lasted
        ([9, 1, 0, 0, 9, 0, 9, 9], [1, 1, 0, 0, 1, 0, 1, 1], 2, (2 + 1 + 1) / 3),
        ([0, 9, 0, 9, 9], [0, 1, 1, 1, 1], 2, 3),
    ],
)
def test_delay_counts_samples_from_the_fault_to_the_alarm(scores, labels, after, expected):
    assert delay.value(evaluation(scores, labels), {"threshold": 5, "after": after}) == pytest.approx(expected)


def test_options_that_make_no_alarm_are_refused():
    assert anomaly.check({}, None) == []
    assert anomaly.check({"threshold": 2, "clear": 1, "after": 3}, None) == []
    assert [item.where.route[-1] for item in anomaly.check({"clear": 1, "after": 3}, None)] == ["clear", "after"]
    (found,) = anomaly.check({"threshold": 1, "clear": 2}, None)
    assert "no alarm could last" in found.message


def test_an_output_that_is_no_score_is_unfit():
    assert anomaly.unfit({}, (), [(1, 1)]) is None
    assert "[1, 2]" in anomaly.unfit({}, (), [(1, 2)])
