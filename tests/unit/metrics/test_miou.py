"""Mean intersection over union: against counting by hand, with ignored pixels, other sizes, and its bootstrap."""

import numpy as np
import pytest

from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Failure
from edgec.metrics import miou
from edgec.metrics.interval import percentiles


def evaluation(guesses, truth, reference=None, classes=3):
    """Scores [N, classes, rows, columns] whose largest is the guess."""
    planes = [
        np.moveaxis(np.eye(classes, dtype=np.float32)[given], -1, 1)
        for given in (guesses, guesses if reference is None else reference)
    ]
    names = tuple(str(index) for index in range(len(guesses)))
    return Evaluation(ids=names, outputs=(planes[0],), reference=(planes[1],), labels=truth)


def by_hand(guesses, truth, classes=3):
    shares = []
    for index in range(classes):
        known = truth >= 0
        both = ((guesses == index) & (truth == index) & known).sum()
        either = (((guesses == index) | (truth == index)) & known).sum()
        if either:
            shares.append(both / either)
    return float(np.mean(shares))


def interval(found):
    return percentiles(miou.resampled(found, {})[0])


@pytest.fixture
def random():
    return np.random.default_rng(3)


def test_it_is_what_counting_gives(random):
    guesses, truth = random.integers(0, 3, (2, 5, 7, 9))
    assert miou.value(evaluation(guesses, truth), {}) == pytest.approx(by_hand(guesses, truth))


def test_ignored_pixels_count_for_nothing(random):
    guesses, truth = random.integers(0, 3, (2, 4, 6, 6))
    truth[random.random(truth.shape) < 0.3] = -1
    found = miou.value(evaluation(guesses, truth), {})
    assert found == pytest.approx(by_hand(guesses, truth))
    wrong = np.where(truth < 0, (guesses + 1) % 3, guesses)
    assert miou.value(evaluation(wrong, truth), {}) == found


def test_resamples_of_ignored_pixels_alone_are_left_out():
    truth = np.full((3, 2, 2), -1)
    truth[0] = 1
    actual, before = miou.resampled(evaluation(truth.clip(0), truth), {})
    assert 500 < len(actual) < 1000 and np.all(actual == 1.0) and np.all(before == 1.0)


def test_a_class_that_occurs_nowhere_is_left_out():
    truth = np.zeros((2, 3, 3), int)
    found = evaluation(truth, truth)
    assert miou.value(found, {}) == 1.0
    assert miou.detail(found, {}) == {"classes": [1.0, None, None]}
    assert miou.value(evaluation(np.ones_like(truth), truth), {}) == 0.0


def test_an_answer_at_a_quarter_of_the_size_is_scaled():
    coarse = np.array([[[0, 1], [2, 0]]])
    assert miou.value(evaluation(coarse, np.kron(coarse, np.ones((1, 4, 4), int))), {}) == 1.0
    assert miou.value(evaluation(np.kron(coarse, np.ones((1, 3, 3), int)), coarse), {}) == 1.0


def test_the_interval_is_the_same_each_time_and_narrows(random):
    truth = random.integers(0, 3, (200, 4, 4))
    guesses = np.where(random.random(truth.shape) < 0.2, (truth + 1) % 3, truth)
    few, many = (evaluation(guesses[:count], truth[:count]) for count in (20, 200))
    low, high = interval(many)
    assert (low, high) == interval(many) and low < miou.value(many, {}) < high
    wide = interval(few)
    assert wide[1] - wide[0] > 2 * (high - low)
    assert 0.5 * 1.96 * 2 < (high - low) / _spread_by_halves(guesses, truth) < 2 * 1.96 * 2


def _spread_by_halves(guesses, truth):
    """The standard error of the whole, from the spread between ten parts."""
    parts = [by_hand(guesses[start::10], truth[start::10]) for start in range(10)]
    return float(np.std(parts, ddof=1)) / 10**0.5


def test_the_drop_is_paired():
    random = np.random.default_rng(5)
    truth = random.integers(0, 3, (60, 8, 8))
    before = np.where(random.random(truth.shape) < 0.2, (truth + 1) % 3, truth)
    same = miou.resampled(evaluation(before, truth, before), {})
    assert np.array_equal(*same)
    after = np.where(random.random(truth.shape) < 0.05, (truth + 2) % 3, before)
    changed = evaluation(after, truth, before)
    actual, reference = miou.resampled(changed, {})
    low, high = percentiles(reference - actual)
    assert 0 < low < by_hand(before, truth) - by_hand(after, truth) < high
    alone = interval(changed)
    assert high - low < alone[1] - alone[0], "pairing takes out what is hard about a sample"


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (None, "a mask"),
        (np.zeros(2, int), "a mask"),
        (np.zeros((2, 3, 3)), "float64"),
        (np.full((2, 3, 3), 3), "the class 3, and the model has the classes 0 to 2"),
        (np.full((2, 3, 3), -1), "every pixel of the masks is one to ignore"),
    ],
)
def test_a_truth_that_is_no_mask_is_refused(truth, words):
    with pytest.raises(Failure, match=words):
        miou.value(evaluation(np.zeros((2, 3, 3), int), truth), {})
