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
    """Return a share a sample: 0 or 1, or between them where the output decides at many places."""
    return same_decision(evaluation.reference[0], outputs[0])


def same_decision(reference: NDArray[Any], actual: NDArray[Any]) -> NDArray[Any]:
    """Return the share of a sample's ``decisions`` that are equal, [N]; both arrays are [N, ...]."""
    share: NDArray[Any] = (decisions(reference) == decisions(actual)).mean(axis=1)
    return share


def decisions(output: NDArray[Any]) -> NDArray[Any]:
    """Return the arg-max over the classes at every place of ``output`` [N, ...], as [N, places].

    One row of scores a sample ([N, C], [N, 1, C]) is one decision. Else the classes are the last axis of a sequence
    [N, steps, C], and the first behind N where there are more axes, as in a map [N, C, height, width].
    """
    rows = output.reshape(len(output), -1)
    if rows.shape[1] == max(output.shape[1:], default=1):
        chosen: NDArray[Any] = rows.argmax(axis=1)
    else:
        chosen = output.argmax(axis=2 if output.ndim == 3 else 1)
    return chosen.reshape(len(output), -1)
