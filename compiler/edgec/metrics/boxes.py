"""Mean average precision of boxes as COCO defines it, by pycocotools; and how it would vary over other data, by bootstrap."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec.artifacts.boxes import Truth, unpacked
from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.metrics.bootstrap import drawn
from edgec.runtime.extras import missing_extra
from edgec.tasks.detections import Detections, detections

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEEDS = ("pycocotools",)
PROPERTIES: Json = {
    "score_threshold": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "title": "Score threshold",
        "description": "Count boxes down to this score, not the task's. Published figures count down to about 0.001; the "
        "device gives none below the task's.",
        "examples": [0.001],
    }
}
RECALLS = 101
MOST_WEIGHTS = 10_000_000
"""Weights of detections in resamples that are looked at together: some 500 MB at the worst."""


def missing() -> str | None:
    """Return how to install pycocotools, or None where it is here; imports nothing."""
    return missing_extra(NEEDS, "detection")


def mean_precision(outputs: Sequence[NDArray[Any]], evaluation: Evaluation, options: Options, least: Sequence[float]) -> float:
    """Return the mean over classes, and over the IoU thresholds ``least``, of the average precision at 101 recalls; 0..1.

    Raises Failure ``data-labels`` where the evaluation data has no box.
    """
    matched = _matched(outputs, evaluation, options, least)
    _silently(matched.accumulate)
    precision = matched.eval["precision"]
    return float(precision[precision > -1].mean())


def resampled(evaluation: Evaluation, options: Options, least: Sequence[float]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return ``mean_precision`` of the artifact and of eager fp32 over bootstrap samples of the pictures.

    What no picture shows no resample shows: where nothing changed, the interval is a point. A resample without a box has
    no precision, and is left out.
    """
    import numpy as np

    boxes = np.array([sum(not box.crowd for box in truth.boxes) for truth in truths(evaluation)])
    draws = drawn(len(evaluation.ids))
    draws = draws[draws @ boxes > 0]
    actual, before = (
        _over_samples(_by_class(_matched(outputs, evaluation, options, least)), draws)
        for outputs in (evaluation.outputs, evaluation.reference)
    )
    return actual, before


def truths(evaluation: Evaluation) -> list[Truth]:
    """Return each sample's boxes. Raises Failure ``data-labels`` where the truths are none, or all pictures are empty."""
    if evaluation.labels is None or evaluation.labels.ndim != 3:
        raise _unfit("the evaluation data's truths are no boxes")
    try:
        found = [unpacked(array) for array in evaluation.labels]
    except ValueError as error:
        raise _unfit(f"the evaluation data's truths are no boxes: {error}") from None
    if not any(not box.crowd for truth in found for box in truth.boxes):
        raise _unfit("the evaluation data holds no box: nothing tells how well they are found")
    return found


def _matched(outputs: Sequence[NDArray[Any]], evaluation: Evaluation, options: Options, least: Sequence[float]) -> Any:
    """A COCOeval whose detections are matched with the truth, picture by picture, at each IoU threshold."""
    import numpy as np
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    known = truths(evaluation)
    image = evaluation.image
    assert image is not None, "detection takes one picture"
    task = {**evaluation.task, **options}
    found = [
        detections([head[row] for head in outputs], task, len(evaluation.classes), image, truth.size)
        for row, truth in enumerate(known)
    ]
    truth, given = COCO(), COCO()
    pictures = [{"id": row} for row in range(len(known))]
    kinds = [{"id": kind} for kind in range(len(evaluation.classes))]
    truth.dataset = {"images": pictures, "categories": kinds, "annotations": _true(known)}
    given.dataset = {"images": pictures, "categories": kinds, "annotations": _found(found)}
    for part in (truth, given):
        _silently(part.createIndex)
    matched = COCOeval(truth, given, "bbox")
    matched.params.iouThrs = np.array(least)
    matched.params.areaRng, matched.params.areaRngLbl = [[0.0, 1e10]], ["all"]
    matched.params.maxDets = [int(task.get("max_detections", 100))]
    _silently(matched.evaluate)
    return matched


def _true(known: Sequence[Truth]) -> list[Json]:
    boxes = ((row, box) for row, truth in enumerate(known) for box in truth.boxes)
    return [
        {
            "id": number,
            "image_id": row,
            "category_id": box.label,
            "bbox": [box.x, box.y, box.width, box.height],
            "area": box.width * box.height,
            "iscrowd": int(box.crowd),
        }
        for number, (row, box) in enumerate(boxes, 1)
    ]


def _found(found: Sequence[Detections]) -> list[Json]:
    rows = (
        (row, *values)
        for row, one in enumerate(found)
        for values in zip(one.boxes.tolist(), one.scores.tolist(), one.classes.tolist(), strict=True)
    )
    return [
        {
            "id": number,
            "image_id": row,
            "category_id": kind,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": score,
        }
        for number, (row, box, score, kind) in enumerate(rows, 1)
    ]


@dataclass(frozen=True, kw_only=True)
class _Matches:
    """Of one class: the picture [N] of each detection, best first, whether it is right or wrong [T, N] at each threshold
    (neither: it lies on a crowd), and how many boxes each picture has.
    """

    pictures: NDArray[Any]
    right: NDArray[Any]
    wrong: NDArray[Any]
    boxes: NDArray[Any]


def _by_class(matched: Any) -> list[_Matches]:
    """What COCOeval matched, by class; classes without a box are left out, as it does."""
    import numpy as np

    thresholds, pictures = len(matched.params.iouThrs), len(matched.params.imgIds)
    found = []
    for kind in range(len(matched.params.catIds)):
        rows = [(row, entry) for row, entry in enumerate(matched.evalImgs[kind * pictures :][:pictures]) if entry]
        boxes = np.zeros(pictures)
        for row, entry in rows:
            boxes[row] = int((np.asarray(entry["gtIgnore"]) == 0).sum())
        scores = np.concatenate([entry["dtScores"] for _, entry in rows] or [[]])
        order = np.argsort(-scores, kind="mergesort")
        where = np.concatenate([[row] * len(entry["dtScores"]) for row, entry in rows] or [[]]).astype(int)
        matches = np.concatenate([entry["dtMatches"] for _, entry in rows] or [np.zeros((thresholds, 0))], axis=1) != 0
        ignored = np.concatenate([entry["dtIgnore"] for _, entry in rows] or [np.zeros((thresholds, 0))], axis=1) != 0
        right, wrong = (matches & ~ignored)[:, order], (~matches & ~ignored)[:, order]
        if boxes.any():
            found.append(_Matches(pictures=where[order], right=right, wrong=wrong, boxes=boxes))
    return found


def _over_samples(classes: Sequence[_Matches], draws: NDArray[Any]) -> NDArray[Any]:
    """The mean average precision [B] where ``draws`` [B, pictures] says how often each picture is there."""
    import numpy as np

    found = []
    for one in classes:
        parts = np.array_split(draws, 1 + len(draws) * len(one.pictures) // MOST_WEIGHTS)
        for right, wrong in zip(one.right, one.wrong, strict=True):
            found.append(np.concatenate([_average_precision(one, right, wrong, part) for part in parts]))
    mean: NDArray[Any] = np.nanmean(np.stack(found), axis=0)
    return mean


def _average_precision(one: _Matches, right: NDArray[Any], wrong: NDArray[Any], draws: NDArray[Any]) -> NDArray[Any]:
    """Of one class at one threshold, for each resample: the mean of the interpolated precision at 101 recalls.

    NaN where the resample has no box of the class. As COCOeval.accumulate has it: at each recall the best precision
    of that recall or a greater one, 0 where it is not reached.
    """
    import numpy as np

    boxes = draws @ one.boxes
    if not len(one.pictures):
        return np.where(boxes > 0, 0.0, np.nan)
    weights = draws[:, one.pictures]
    hits, misses = np.cumsum(weights * right, axis=1), np.cumsum(weights * wrong, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hits / boxes[:, None]
        precision = np.nan_to_num(hits / (hits + misses))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.concatenate((envelope, np.zeros((len(draws), 1))), axis=1)
    asked = np.linspace(0.0, 1.0, RECALLS)
    rows = [padded[row, np.searchsorted(recall[row], asked)].mean() if boxes[row] else np.nan for row in range(len(draws))]
    return np.array(rows)


def _silently(call: Any) -> None:
    """pycocotools tells of its progress on standard output, which is the commands' own."""
    with contextlib.redirect_stdout(io.StringIO()):
        call()


def _unfit(message: str) -> Failure:
    hint = "give evaluation data in the format coco, with boxes"
    return Failure(Diagnostic(code="data-labels", message=message, where=Location(file="", route=()), hint=hint))
