"""Top-5 accuracy: the share of samples whose labelled class is among the five highest scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.hits import classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "share of samples whose labelled class is among the five highest scores"
OPTIONS: Json = {"type": "object", "title": "top5", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
SHARE = True
HIGHER_IS_BETTER = True
NEEDS_LABELS = True
PAIRED = True


def value(evaluation: Evaluation, options: Options) -> float:
    """Return top-5 accuracy of the artifact's first output, scores [N, classes], against labels [N]; 0..1."""
    return float(scores(evaluation.outputs, evaluation, options).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any]:
    """Return 1.0 or 0.0 a sample; equal scores rank by class index. Raises as ``hits.classes`` does."""
    labels = classes(evaluation)
    best = (-outputs[0].reshape(len(labels), -1)).argsort(axis=1, kind="stable")[:, :5]
    hits: NDArray[Any] = (best == labels[:, None]).any(axis=1).astype("float64")
    return hits
