"""Accuracy: the share of clips whose highest score is the labelled class; windows of recordings are no clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.hits import hits

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "share of clips whose highest score is the labelled word"
OPTIONS: Json = {"type": "object", "title": "accuracy", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
SHARE = True
HIGHER_IS_BETTER = True
NEEDS_LABELS = True
PAIRED = True


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the share of right answers of the artifact's first output, scores [N, classes], against labels [N]; 0..1."""
    return float(scores(evaluation.outputs, evaluation, options).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any]:
    """Return 1.0 or 0.0 a clip. Raises as ``hits.classes`` does."""
    return hits(outputs, evaluation)
