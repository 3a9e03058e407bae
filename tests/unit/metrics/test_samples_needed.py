"""The number of samples that a verdict asks for is enough: simulated data sets of that size mostly settle it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgec.metrics.interval import (
    MOST_SAMPLES,
    discordance,
    paired_drop,
    samples_for_drop,
    samples_for_share,
    share_interval,
)

TRIES = 400


def settled(interval, limit, observed):
    low, high = interval
    return high <= limit if observed < limit else low > limit


def paired(generator, lost, won, count):
    """Right-or-wrong scores of ``count`` samples that are lost and won at these rates."""
    fate = generator.choice(3, count, p=[lost, won, 1 - lost - won])
    return np.where(fate == 1, 0.0, 1.0), np.where(fate == 0, 0.0, 1.0)


CASES = [(0.01, 0.004, 0.02), (0.03, 0.005, 0.01), (0.004, 0.0, 0.01), (0.05, 0.05, 0.02)]


@pytest.mark.parametrize(("lost", "won", "limit"), CASES)
def test_four_of_five_data_sets_of_that_size_settle_a_drop(lost, won, limit):
    given_samples = 1000
    spread = {"lost": lost * given_samples, "won": won * given_samples}
    needed = samples_for_drop(lost - won, spread, given_samples, limit)
    generator = np.random.default_rng(0)
    outcomes = [settled(paired_drop(*paired(generator, lost, won, needed))[1], limit, lost - won) for _ in range(TRIES)]
    assert np.mean(outcomes) > 0.74
    if needed > 4 * given_samples:  # and it is no multiple of what would do
        fewer = [
            settled(paired_drop(*paired(generator, lost, won, needed // 3))[1], limit, lost - won) for _ in range(TRIES)
        ]
        assert np.mean(fewer) < 0.6


@pytest.mark.parametrize(("share", "limit"), [(0.01, 0.02), (0.03, 0.02), (0.0, 0.005), (0.2, 0.15)])
def test_four_of_five_data_sets_of_that_size_settle_a_share(share, limit):
    needed = samples_for_share(share, 100, limit)
    generator = np.random.default_rng(1)
    outcomes = [
        settled(share_interval((generator.random(needed) < share).astype(float)), limit, share) for _ in range(TRIES)
    ]
    assert np.mean(outcomes) > 0.74


def test_four_of_five_data_sets_of_that_size_settle_a_drop_of_plain_scores():
    generator = np.random.default_rng(2)
    before = generator.normal(size=200)
    after = before - generator.normal(0.05, 0.5, 200)
    drop, _ = paired_drop(before, after)
    limit = drop + 0.05
    needed = samples_for_drop(drop, discordance(before, after), 200, limit)
    deviation = discordance(before, after)["deviation"]
    outcomes = []
    for _ in range(TRIES):
        losses = generator.normal(drop, deviation, needed)
        outcomes.append(settled(paired_drop(losses, np.zeros(needed))[1], limit, drop))
    assert np.mean(outcomes) > 0.74


@settings(max_examples=100, deadline=None)
@given(st.integers(30, 3000), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0.001, 0.2))
def test_the_same_rates_over_that_many_samples_always_settle_it(count, lost, won, limit):
    lost, won = round(lost * count), round(won * count)
    drop = (lost - won) / count
    assume(abs(drop - limit) > 1e-3)
    needed = samples_for_drop(drop, {"lost": lost, "won": won}, count, limit)
    assert needed is not None and count < needed <= MOST_SAMPLES
    before = np.concatenate([np.ones(needed - round(won / count * needed)), np.zeros(round(won / count * needed))])
    after = np.concatenate([np.zeros(round(lost / count * needed)), np.ones(needed - round(lost / count * needed))])
    assert settled(paired_drop(before, after)[1], limit, drop)


def test_on_the_limit_there_is_no_number():
    assert samples_for_drop(0.01, {"lost": 10, "won": 0}, 1000, 0.01) is None
    assert samples_for_share(0.0, 1000, 0.0) is None
    assert samples_for_drop(0.5, {"deviation": 1.0}, 40, 0.5) is None


def test_discordance_counts_and_else_measures():
    before, after = np.array([1.0, 1, 0, 1]), np.array([0.0, 1, 1, 1])
    assert discordance(before, after) == {"lost": 1, "won": 1}
    assert discordance(before, after, shares=False) == {"deviation": pytest.approx(np.std(before - after, ddof=1))}
    assert discordance(before, after / 2)["deviation"] == pytest.approx(np.std(before - after / 2, ddof=1))
