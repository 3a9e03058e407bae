"""Agreement: the share of decisions (arg-max over classes) that eager fp32 and the artifact take alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "share of samples whose arg-max is the same as eager fp32's"
OPTIONS: Json = {"type": "object", "title": "agreement", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
SHARE = True
HIGHER_IS_BETTER = True
NEEDS_LABELS = False
PAIRED = True


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the mean agreement of the first output with eager fp32's, 0..1; needs no labels."""
    return float(scores(evaluation.outputs, evaluation, options).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any]:
    """Return a share a sample: 0 or 1, or between them where the output [N, classes, ...] decides at many places."""
    return same_decision(evaluation.reference[0], outputs[0])


def same_decision(reference: NDArray[Any], actual: NDArray[Any]) -> NDArray[Any]:
    """Return, for arrays [N, classes, ...], the share of places per sample whose arg-max over axis 1 is equal."""
    if reference.ndim < 2:
        reference, actual = reference.reshape(-1, 1), actual.reshape(-1, 1)
    same = reference.argmax(axis=1) == actual.argmax(axis=1)
    share: NDArray[Any] = same.reshape(len(same), -1).mean(axis=1)
    return share
