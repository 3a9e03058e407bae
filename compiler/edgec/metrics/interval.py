"""Confidence intervals for a metric's drop, from scores of the same samples before and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


FEWEST_NORMAL = 30
"""Samples from which on the mean difference is taken for normal, and its spread for known."""


def paired_drop(reference: NDArray[Any], actual: NDArray[Any]) -> tuple[float, tuple[float, float]]:
    """Return the mean of ``reference - actual`` over N samples and its 95 % interval.

    For right-or-wrong scores the interval is Bonett and Price's adjusted Wald interval for paired proportions
    (doi:10.3102/1076998611411915), which does not collapse to zero width when no sample changed; for others it is the
    normal interval of the mean difference, and infinite below FEWEST_NORMAL samples, whose spread says little.
    """
    import numpy as np

    difference = np.asarray(reference, dtype=np.float64) - np.asarray(actual, dtype=np.float64)
    count = difference.size
    drop = float(difference.mean())
    if _right_or_wrong(reference) and _right_or_wrong(actual):
        lost = (float((difference > 0).sum()) + 1) / (count + 2)
        won = (float((difference < 0).sum()) + 1) / (count + 2)
        centre, half = lost - won, Z95 * math.sqrt((lost + won - (lost - won) ** 2) / (count + 2))
        return drop, (centre - half, centre + half)
    half = Z95 * float(difference.std(ddof=1)) / math.sqrt(count) if count >= FEWEST_NORMAL else math.inf
    return drop, (drop - half, drop + half)


def share_interval(scores: NDArray[Any]) -> tuple[float, float] | None:
    """Return Wilson's 95 % score interval of a share, from N right-or-wrong scores (doi:10.1080/01621459.1927.10502953).

    None for scores between the two, which are no Bernoulli trials.
    """
    if not _right_or_wrong(scores):
        return None
    count, share = len(scores), float(scores.mean())
    centre = (share + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
    half = Z95 / (1 + Z95**2 / count) * math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2))
    return centre - half, centre + half


def _right_or_wrong(scores: NDArray[Any]) -> bool:
    return all(score in (0.0, 1.0) for score in scores.tolist())
