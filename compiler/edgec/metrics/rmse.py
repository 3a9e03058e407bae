"""Root mean square error of the artifact's numbers against the truth, in the truth's own unit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.truth import residuals

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "root mean square error against the truth"
OPTIONS: Json = {"type": "object", "title": "rmse", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = False
BEST = 0.0
NEEDS_LABELS = True
PAIRED = False


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the root of the mean of (output - truth)**2 over all samples and values."""
    return math.sqrt(float((residuals(evaluation.outputs, evaluation) ** 2).mean()))


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: a root of a mean is not a mean over samples."""
    return
