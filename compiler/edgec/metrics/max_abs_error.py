"""The largest absolute difference between the artifact's outputs and eager fp32's, in the outputs' own unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "largest absolute difference from eager fp32"
OPTIONS: Json = {"type": "object", "title": "max-abs-error", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = False
BEST = 0.0
NEEDS_LABELS = False
PAIRED = False


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the largest |output - reference| over all samples and outputs."""
    pairs = zip(evaluation.reference, evaluation.outputs, strict=True)
    return max(float(abs(actual.astype("float64") - reference).max()) for reference, actual in pairs)


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: a maximum is not a mean over samples."""
    return
