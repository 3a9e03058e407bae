"""Confidence intervals of shares and drops over samples, and how many samples would make one clear a limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""

Z80 = 0.8416212335729143
"""One-sided 80 % quantile: with that power a sample size is asked for, as is the custom in planning trials."""

FEWEST_NORMAL = 30
"""Samples from which on the mean difference is taken for normal, and its spread for known."""

MOST_EVENTS = 1000
"""More events than this nobody waits for."""

MOST_SAMPLES = 10_000_000
"""A larger number of samples helps nobody, and is not looked for."""


def paired_drop(
    reference: NDArray[Any], actual: NDArray[Any], *, shares: bool = True
) -> tuple[float, tuple[float, float]]:
    """Return the mean of ``reference - actual`` over N samples and its 95 % interval; ``shares`` as in ``discordance``.

    For right-or-wrong scores the interval is Bonett and Price's adjusted Wald interval for paired proportions
    (doi:10.3102/1076998611411915), which does not collapse to zero width when no sample changed; for others it is the
    normal interval of the mean difference, and infinite below FEWEST_NORMAL samples, whose spread says little.
    """
    import numpy as np

    difference = np.asarray(reference, dtype=np.float64) - np.asarray(actual, dtype=np.float64)
    count = difference.size
    drop = float(difference.mean())
    spread = discordance(reference, actual, shares=shares)
    if "deviation" not in spread:
        return drop, paired_interval(spread["lost"], spread["won"], count)
    half = Z95 * spread["deviation"] / math.sqrt(count) if count >= FEWEST_NORMAL else math.inf
    return drop, (drop - half, drop + half)


def discordance(reference: NDArray[Any], actual: NDArray[Any], *, shares: bool = True) -> Mapping[str, float]:
    """Return what a drop's interval rests on: how many samples were ``lost`` and ``won``, else the ``deviation``.

    The first for right-or-wrong scores; the second, of the differences (N - 1 in the denominator), for all others: those
    between the two, and those of a metric that is no share (``Metric.SHARE``), whose 0 and 1 are errors or angles.
    """
    import numpy as np

    difference = np.asarray(reference, dtype=np.float64) - np.asarray(actual, dtype=np.float64)
    if shares and _right_or_wrong(reference) and _right_or_wrong(actual):
        return {"lost": int((difference > 0).sum()), "won": int((difference < 0).sum())}
    return {"deviation": float(difference.std(ddof=1)) if difference.size > 1 else 0.0}


def paired_interval(lost: float, won: float, count: float) -> tuple[float, float]:
    """Return ``paired_drop``'s interval for right-or-wrong scores, of which so many were lost and won."""
    first, second = (lost + 1) / (count + 2), (won + 1) / (count + 2)
    centre = first - second
    half = Z95 * math.sqrt((first + second - centre**2) / (count + 2))
    return centre - half, centre + half


def mcnemar(lost: int, won: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (doi:10.1007/BF02295996): that losing and winning are as likely.

    ``lost`` and ``won`` are how many samples turned from right to wrong and back; 1.0 where none did.
    """
    total, few = lost + won, min(lost, won)
    logs = [_log_choose(total, count) - total * math.log(2) for count in range(few + 1)]
    return min(1.0, 2 * math.fsum(math.exp(value) for value in logs)) if total else 1.0


def _log_choose(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)


def share_interval(scores: NDArray[Any]) -> tuple[float, float] | None:
    """Return Wilson's 95 % score interval of a share, from N right-or-wrong scores (doi:10.1080/01621459.1927.10502953).

    None for scores between the two, which are no Bernoulli trials.
    """
    return _wilson(float(scores.mean()), len(scores)) if _right_or_wrong(scores) else None


def mean_interval(scores: NDArray[Any]) -> tuple[float, float]:
    """Return the normal 95 % interval of the mean of N scores, infinite below FEWEST_NORMAL samples."""
    half = Z95 * float(scores.std(ddof=1)) / math.sqrt(len(scores)) if len(scores) >= FEWEST_NORMAL else math.inf
    return float(scores.mean()) - half, float(scores.mean()) + half


def _wilson(share: float, count: float) -> tuple[float, float]:
    centre = (share + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
    half = Z95 / (1 + Z95**2 / count) * math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2))
    # At 0 and 1 the ends are exact: roundings would leave them on either side.
    return (centre - half if share > 0 else 0.0), (centre + half if share < 1 else 1.0)


def percentiles(resamples: NDArray[Any]) -> tuple[float, float]:
    """Return the 95 % percentile interval of a figure over bootstrap samples (Efron and Tibshirani, 1993, chapter 13)."""
    import numpy as np

    low, high = np.quantile(resamples, (0.025, 0.975))
    return float(low), float(high)


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a Poisson mean, of which ``count`` were seen (Garwood, 1936, doi:10.2307/2333958)."""
    return _least_mean(count), _largest_mean(count)


def _least_mean(count: int) -> float:
    return _mean_with(lambda mean: _poisson_tail(count - 1, mean) < 0.975, count) if count else 0.0


def _largest_mean(count: int) -> float:
    return _mean_with(lambda mean: _poisson_tail(count, mean) < 0.025, count)


def hours_for_rate(rate: float, limit: float, given: float) -> float | None:
    """Return in how many hours, more than ``given``, events at ``rate`` an hour would likely tell the rate from ``limit``.

    That is: with 80 % power the 95 % interval lies on one side. None where more than MOST_EVENTS would have to be awaited.
    """

    def clears(hours: float) -> bool:
        mean, slack = rate * hours, Z80 * math.sqrt(rate * hours)
        if rate < limit:
            return _largest_mean(math.ceil(mean + slack)) <= limit * hours
        return _least_mean(max(0, math.floor(mean - slack))) > limit * hours

    low, high = given, 2 * given
    while not clears(high):
        if max(rate, limit) * high > MOST_EVENTS:
            return None
        low, high = high, 2 * high
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (low, middle) if clears(middle) else (middle, high)
    return high


def _poisson_tail(most: int, mean: float) -> float:
    """The chance of at most ``most`` events."""
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(most + 1))


def _mean_with(passed: Callable[[float], bool], count: int) -> float:
    """The least mean that has ``passed``, by halving."""
    low, high = 1e-9, 10.0 + 3 * count
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if passed(middle) else (middle, high)
    return high


def samples_for_drop(drop: float, spread: Mapping[str, float], count: int, limit: float) -> int | None:
    """Return how many samples in all would tell a drop from ``limit``, if it went on as in the first ``count``.

    ``spread`` is ``discordance``'s. The interval is ``paired_drop``'s, and its half width must be under the distance
    between drop and limit by so much that four of five data sets of that size have one that clears the limit: the
    sample size of a paired test with power 0.8, n = (Z95 + Z80)**2 * variance / distance**2 (Connor, 1987,
    doi:10.2307/2531961), and what the interval's added counts ask for on top. None where no number would, or more than
    MOST_SAMPLES.
    """
    if "deviation" in spread:
        distance = abs(limit - drop)
        needed = ((Z95 + Z80) * spread["deviation"] / distance) ** 2 if distance > 0 else math.inf
        return _whole(max(needed, FEWEST_NORMAL))
    lost, won = spread["lost"] / count, spread["won"] / count
    deviation = math.sqrt(max(0.0, lost + won - (lost - won) ** 2))

    def clears(total: float) -> bool:
        # An unlucky one of five data sets is nearer to the limit by Z80 standard errors, and has that many more lost or won.
        slack = Z80 * deviation * math.sqrt(total)
        if drop < limit:
            return paired_interval(math.ceil(lost * total + slack), won * total, total)[1] <= limit
        return paired_interval(lost * total, math.ceil(won * total + slack), total)[0] > limit

    return _first(clears, count) if drop != limit else None


def samples_for_share(share: float, count: int, limit: float) -> int | None:
    """Return how many samples in all would tell a share from ``limit``, if it stayed what it was in the first ``count``.

    As ``samples_for_drop``, for Wilson's interval: the sample size of a test of one proportion with power 0.8
    (Fleiss, Levin and Paik, *Statistical Methods for Rates and Proportions*, section 2.3).
    """

    def clears(total: float) -> bool:
        slack = Z80 * math.sqrt(share * (1 - share) * total)
        if share < limit:
            return _wilson(min(1.0, math.ceil(share * total + slack) / total), total)[1] <= limit
        return _wilson(max(0.0, math.floor(share * total - slack) / total), total)[0] > limit

    return _first(clears, count) if share != limit else None


def _first(clears: Callable[[float], bool], count: int) -> int | None:
    """The first number above ``count`` from which on ``clears`` holds, to three digits; it is doubled, then halved."""
    low, high = max(1, count), max(1, count) * 2
    while not clears(high):
        low, high = high, high * 2
        if high > MOST_SAMPLES:
            return None
    while high - low > max(1, high // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if clears(middle) else (middle, high)
    return high


def _whole(needed: float) -> int | None:
    return math.ceil(needed) if needed <= MOST_SAMPLES else None


def _right_or_wrong(scores: NDArray[Any]) -> bool:
    return all(score in (0.0, 1.0) for score in scores.tolist())
