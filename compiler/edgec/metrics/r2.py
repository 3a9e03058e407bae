"""Coefficient of determination: the share of the truth's variance that the artifact's numbers explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.truth import residuals, truths

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "coefficient of determination, 1 at best; 0 is what guessing the mean gets"
OPTIONS: Json = {"type": "object", "title": "r2", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = True
BEST = 1.0
NEEDS_LABELS = True
PAIRED = False

FLOOR = -1e6
"""What a truth that never varies gets when it is missed: JSON has no infinity."""


def value(evaluation: Evaluation, options: Options) -> float:
    """Return 1 - (residual sum of squares) / (total sum of squares), averaged over the values; at least FLOOR."""
    import numpy as np

    wanted = truths(evaluation, evaluation.outputs[0])
    left = (residuals(evaluation.outputs, evaluation) ** 2).sum(axis=0)
    total = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    missed = np.where(left > 0, FLOOR, 1.0)
    explained = np.where(total > 0, 1.0 - left / np.where(total > 0, total, 1.0), missed)
    return float(np.maximum(explained, FLOOR).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: it is no mean over samples."""
    return
