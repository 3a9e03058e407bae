"""Top-1 accuracy: the share of samples whose highest score is the labelled class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.hits import hits

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "share of samples whose highest score is the labelled class"
OPTIONS: Json = {"type": "object", "title": "top1", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
SHARE = True
HIGHER_IS_BETTER = True
NEEDS_LABELS = True
PAIRED = True


def value(evaluation: Evaluation, options: Options) -> float:
    """Return top-1 accuracy of the artifact's first output, scores [N, classes], against labels [N]; 0..1."""
    return float(scores(evaluation.outputs, evaluation, options).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any]:
    """Return 1.0 or 0.0 a sample. Raises as ``hits.classes`` does."""
    return hits(outputs, evaluation)
