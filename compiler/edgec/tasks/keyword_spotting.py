"""Keyword spotting: one output [1, classes] of logits for a window of sound; a keyword is told once its mean score is high."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Location, nearest
from edgec.tasks.label_names import LABELS, label_names

SUMMARY = "which keyword is said in a stream of sound, if any"
NEEDS: tuple[str, ...] = ()
METRICS = ("accuracy", "far-per-hour", "agreement", "sqnr", "max-abs-error")
TRUTH = "class"
DECIDES = "sample"
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["labels"],
    "properties": {
        "labels": LABELS,
        "background": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "title": "Background",
            "description": "Labels that are no keyword: silence, other words. They are never told.",
            "default": [],
            "examples": [["unknown", "silence"]],
        },
        "threshold": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "title": "Threshold",
            "description": "A keyword is told when its mean probability is at or above it, and above every other label's.",
            "default": 0.8,
        },
        "smoothing": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1024,
            "title": "Smoothing",
            "description": "Over how many windows of a stream the mean is taken, the last one included; at a stream's "
            "beginning over as many as there are.",
            "default": 3,
        },
        "refractory": {
            "type": "number",
            "minimum": 0,
            "maximum": 3600,
            "title": "Refractory time",
            "description": "Seconds after a keyword in which none is told: one that is said once is told once.",
            "default": 1.0,
        },
    },
}


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return what is wrong with the labels, background labels that are none of them, and a task without a keyword."""
    try:
        names = labels(options, project)
    except Failure as failure:
        return list(failure.diagnostics)
    found = []
    for index, name in enumerate(options.get("background", [])):
        if name not in names:
            close = nearest(name, names)
            hint = f"did you mean {close!r}?" if close else f"labels are {', '.join(names)}"
            found.append(_wrong(f"the background label {name!r} is not among the labels", index, hint))
    if set(names) <= set(options.get("background", [])):
        found.append(_wrong("every label is background: there is no keyword to tell", 0, "leave the keywords out of it"))
    return found


def labels(options: Options, project: Project) -> tuple[str, ...]:
    """Return the class names in index order. Raises Failure ``labels-invalid`` or ``path-outside-root``."""
    return label_names(options["labels"], project)


def unfit(options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return a message where the first output is not one row with a score for each label."""
    if not labels or (shapes[0][-1:] == (len(labels),) and math.prod(shapes[0]) == len(labels)):
        return None
    wanted = f"one row of scores, one for each of the {len(labels)} labels"
    return f"keyword-spotting takes {wanted}; the first output is {list(shapes[0])}"


def _wrong(message: str, index: int, hint: str) -> Diagnostic:
    where = Location(file="", route=("options", "background", index))
    return Diagnostic(code="wrong-value", message=message, where=where, hint=hint)
