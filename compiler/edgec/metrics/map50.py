"""mAP at an IoU of 0.5: the mean over classes of the average precision, as PASCAL VOC and COCO count it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics import boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "mean average precision of boxes that overlap the truth by half (edgec[detection])"
OPTIONS: Json = {"type": "object", "title": "map50", "additionalProperties": False, "properties": boxes.PROPERTIES}
NEEDS: tuple[str, ...] = boxes.NEEDS
SHARE = True
HIGHER_IS_BETTER = True
NEEDS_LABELS = True
PAIRED = False
RESAMPLED = True
LEAST = (0.5,)


def missing() -> str | None:
    """Return how to install pycocotools, or None where it is here."""
    return boxes.missing()


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the mean average precision at an IoU of 0.5, 0..1. Raises Failure ``data-labels``."""
    return boxes.mean_precision(evaluation.outputs, evaluation, options, LEAST)


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: it is no mean over samples."""
    return


def resampled(evaluation: Evaluation, options: Options) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return it for the artifact and for eager fp32 over bootstrap samples of the pictures."""
    return boxes.resampled(evaluation, options, LEAST)
