"""Signal-to-quantization-noise ratio of the artifact's outputs against eager fp32's, in decibels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "signal-to-quantization-noise ratio against eager fp32, in dB"
OPTIONS: Json = {"type": "object", "title": "sqnr", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = "dB"
SHARE = False
HIGHER_IS_BETTER = True
NEEDS_LABELS = False
PAIRED = False

CEILING = 200.0
"""Decibels that stand for "no error at all": float32 itself ends near 150 dB, and JSON has no infinity."""


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the lowest SQNR among the outputs, in dB, at most CEILING."""
    pairs = zip(evaluation.reference, evaluation.outputs, strict=True)
    return min(decibels(reference, actual) for reference, actual in pairs)


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: a ratio of sums is not a mean over samples."""
    return


def decibels(reference: NDArray[Any], actual: NDArray[Any]) -> float:
    """Return 10*log10(sum(reference**2) / sum((reference - actual)**2)) within ±CEILING; -CEILING where not finite."""
    import numpy as np

    signal = float(np.square(reference, dtype="float64").sum())
    noise = float(np.square(reference.astype("float64") - actual.astype("float64")).sum())
    if not (np.isfinite(signal) and np.isfinite(noise)):
        return -CEILING
    if noise == 0.0:
        return CEILING
    if signal == 0.0:
        return -CEILING
    return float(np.clip(10.0 * np.log10(signal / noise), -CEILING, CEILING))
