"""Intervals hold known values, shrink with samples and never claim certainty from unchanged samples."""

import numpy as np
import pytest

from edgec.metrics.interval import paired_drop, share_interval


def scores(right: int, count: int) -> np.ndarray:
    return np.array([1.0] * right + [0.0] * (count - right))


def test_no_flips_still_leaves_an_interval():
    drop, (low, high) = paired_drop(scores(350, 360), scores(350, 360))
    assert drop == 0
    assert low == pytest.approx(-high)
    assert 0.005 < high < 0.01  # the rule of three says about 3 / 360


def test_bonett_price_by_hand():
    before, after = scores(10, 20), np.concatenate([scores(6, 10), scores(1, 10)])
    drop, (low, high) = paired_drop(before, after)
    assert drop == pytest.approx(3 / 20)
    lost, won = 5 / 22, 2 / 22
    half = 1.96 * np.sqrt((lost + won - (lost - won) ** 2) / 22)
    assert low == pytest.approx(lost - won - half, abs=1e-4)
    assert high == pytest.approx(lost - won + half, abs=1e-4)


def test_more_samples_narrow_it():
    few = paired_drop(scores(35, 36), scores(34, 36))[1]
    many = paired_drop(scores(3500, 3600), scores(3400, 3600))[1]
    assert many[1] - many[0] < few[1] - few[0]


def test_plain_scores_take_the_normal_interval():
    rng = np.random.default_rng(1)
    before = rng.normal(size=400)
    drop, (low, high) = paired_drop(before, before - 0.5)
    assert low <= drop <= high
    assert drop == pytest.approx(0.5)


@pytest.mark.parametrize("count", [1, 2, 29])
def test_a_few_plain_samples_prove_nothing(count):
    assert paired_drop(np.full(count, 0.3), np.full(count, 0.2))[1] == (-np.inf, np.inf)


def test_shares_between_right_and_wrong_have_no_wilson_interval():
    assert share_interval(np.array([0.5, 1.0, 0.9])) is None


def test_wilson_holds_published_values():
    # Agresti and Coull (1998): 10 of 10 gives a lower bound of 0.722.
    low, high = share_interval(scores(10, 10))
    assert low == pytest.approx(0.722, abs=1e-3)
    assert high == pytest.approx(1.0)


def test_a_shares_interval_stays_within_0_and_1():
    for count in range(1, 2001):
        assert 0.0 < share_interval(np.ones(count))[0] < share_interval(np.ones(count))[1] == 1.0
        assert share_interval(np.zeros(count))[0] == 0.0 < share_interval(np.zeros(count))[1] < 1.0
        assert 0.0 < share_interval(scores(1, count + 1))[0] < share_interval(scores(count, count + 1))[1] < 1.0
