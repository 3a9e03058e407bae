"""Mean absolute error of the artifact's numbers against the truth, in the truth's own unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.truth import residuals

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "mean absolute error against the truth"
OPTIONS: Json = {"type": "object", "title": "mae", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = False
BEST = 0.0
NEEDS_LABELS = True
PAIRED = True


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the mean of |output - truth| over all samples and values."""
    return float(scores(evaluation.outputs, evaluation, options).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any]:
    """Return each sample's mean absolute error. Raises ValueError without labels, Failure where they do not fit."""
    errors: NDArray[Any] = abs(residuals(outputs, evaluation)).mean(axis=1)
    return errors
