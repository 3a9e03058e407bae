"""Detection delay: how long a fault lasts before there is an alarm, by the rules that the runner alarms by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.faults import scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "mean number of samples from the beginning of a fault to its alarm"
OPTIONS: Json = {
    "type": "object",
    "title": "delay",
    "additionalProperties": False,
    "properties": {
        "threshold": {"type": "number", "title": "Threshold", "description": "The task's.", "examples": [1.5]},
        "after": {
            "type": "integer",
            "minimum": 1,
            "title": "After",
            "description": "The task's: how many scores in a row. Default: the task's, or 1.",
        },
    },
}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = False
BEST = 0.0
NEEDS_LABELS = True
PAIRED = False
OF_TASK = {"threshold": True, "after": False}


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the mean over runs of faulty samples, which must be in the order of time; a run never told counts whole.

    0 is an alarm at the first sample of a fault.
    """
    found, faulty = scored(evaluation)
    rules = {**evaluation.task, **options}
    threshold, after = rules["threshold"], rules.get("after", 1)
    delays: list[int] = []
    above, begun, told = 0, -1, False
    for index, (score, fault) in enumerate(zip(found, faulty, strict=True)):
        above = above + 1 if score >= threshold else 0
        if fault and begun < 0:
            begun, told = index, False
            above = min(above, 1)  # what was before the fault did not announce it
        if fault and not told and above >= after:
            told = True
            delays.append(index - begun)
        if begun >= 0 and (not fault or index == len(found) - 1):
            if not told:
                delays.append(index - begun + int(bool(fault)))
            begun = -1
    return float(sum(delays) / len(delays))


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: it is no mean over samples."""
    return
