"""Embedding: one output [1, D], a vector whose direction says what the input is like."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic
from edgec.store.files import collected
from edgec.tasks.label_names import LABELS, label_names

SUMMARY = "a vector that lies near those of inputs like it"
NEEDS: tuple[str, ...] = ()
METRICS = ("cosine", "recall1", "sqnr", "max-abs-error")
TRUTH = "class"
DECIDES = ""
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "normalize": {
            "type": "boolean",
            "title": "Normalize",
            "description": "The runner prints the vector divided by its length; the artifact's own output stays as it is.",
            "default": True,
        },
        "labels": {
            **LABELS,
            "description": "The class names that evaluation data is sorted by (recall1 asks whether neighbours share "
            "theirs): a text file with one name a line, relative to the manifest, or a list. Left out, labels are numbers.",
        },
    },
}


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return what is wrong with the labels, where there are any."""
    return collected(lambda: labels(options, project))


def labels(options: Options, project: Project) -> tuple[str, ...]:
    """Return the class names, () where none are given. Raises Failure ``labels-invalid`` or ``path-outside-root``."""
    return label_names(options["labels"], project) if "labels" in options else ()


def unfit(options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return a message where the first output is not one vector."""
    if shapes[0] and math.prod(shapes[0]) == shapes[0][-1]:
        return None
    return f"embedding takes one vector; the first output is {list(shapes[0])}"
