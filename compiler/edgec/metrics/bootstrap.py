"""Bootstrap samples of a data set, for metrics that are no mean over its samples (Efron and Tibshirani, 1993, section 13.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000


def drawn(count: int) -> NDArray[Any]:
    """Return how often each of ``count`` samples is in each data set drawn with replacement, float64 [RESAMPLES, count].

    They are the same each time, so that what is paired stays so.
    """
    import numpy as np

    return np.random.default_rng(0).multinomial(count, [1 / count] * count, size=RESAMPLES).astype("float64")
