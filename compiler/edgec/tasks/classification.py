"""Classification: one output [1, classes] of logits; the largest names the class."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic
from edgec.store.files import collected
from edgec.tasks.label_names import LABELS, label_names

SUMMARY = "which one of several classes an input belongs to"
NEEDS: tuple[str, ...] = ()
METRICS = ("top1", "top5", "agreement", "sqnr", "max-abs-error")
TRUTH = "class"
DECIDES = "sample"
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
    """Return a message where the first output is not one row with a score for each label."""
    if not labels or (shapes[0][-1:] == (len(labels),) and math.prod(shapes[0]) == len(labels)):
        return None
    wanted = f"one row of scores, one for each of the {len(labels)} labels"
    return f"classification takes {wanted}; the first output is {list(shapes[0])}"
