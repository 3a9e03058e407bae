"""Segmentation: one output [1, classes, height, width] of scores; the largest names each pixel's class."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic
from edgec.store.files import collected
from edgec.tasks.label_names import LABELS, label_names

SUMMARY = "which one of several classes each pixel belongs to"
NEEDS: tuple[str, ...] = ()
METRICS = ("miou", "agreement", "sqnr", "max-abs-error")
TRUTH = "mask"
DECIDES = "place"
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["labels"],
    "properties": {"labels": LABELS},
}


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return what is wrong with the labels: no file, not UTF-8, fewer than two, an empty or a repeated name."""
    return collected(lambda: labels(options, project))


def labels(options: Options, project: Project) -> tuple[str, ...]:
    """Return the class names in index order. Raises Failure ``labels-invalid`` or ``path-outside-root``."""
    return label_names(options["labels"], project)


def unfit(options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return a message where the first output is not a plane of scores for each label."""
    first = shapes[0]
    if len(first) == 4 and first[0] == 1 and (not labels or first[1] == len(labels)):
        return None
    wanted = f"scores [1, {len(labels) or 'classes'}, height, width], a plane for each label"
    return f"segmentation takes {wanted}; the first output is {list(first)}"
