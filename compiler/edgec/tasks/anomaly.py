"""Anomaly: one score an input, the higher the less like what is normal; the truth is 0 for normal and 1 for a fault."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Location

SUMMARY = "how far an input is from what is normal, with alarms"
NEEDS: tuple[str, ...] = ()
METRICS = ("auc", "delay", "sqnr", "max-abs-error")
TRUTH = "number"
DECIDES = ""
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "threshold": {
            "type": "number",
            "title": "Threshold",
            "description": "Scores at or above it begin an alarm. Left out, the runner prints scores and no alarms.",
            "examples": [1.5],
        },
        "clear": {
            "type": "number",
            "title": "Clear",
            "description": "A score below it ends an alarm. Default: the threshold.",
            "examples": [1.2],
        },
        "after": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1048576,
            "title": "After",
            "description": "How many scores in a row must reach the threshold before there is an alarm.",
            "default": 1,
        },
    },
}


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return an alarm that would end above where it begins, and words on alarms without a threshold."""
    found = []
    if "threshold" not in options:
        for key in ("clear", "after"):
            if key in options:
                found.append(_wrong(f"{key} says when there is an alarm, and there is no threshold", key))
    elif options.get("clear", options["threshold"]) > options["threshold"]:
        message = f"clear {options['clear']:g} is above threshold {options['threshold']:g}: no alarm could last"
        found.append(_wrong(message, "clear"))
    return found


def labels(options: Options, project: Project) -> tuple[str, ...]:
    """Return no class names: the truth is 0 or 1."""
    return ()


def unfit(options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return a message where the first output is not one number."""
    if math.prod(shapes[0]) == 1:
        return None
    return f"anomaly takes one score an input; the first output is {list(shapes[0])}"


def _wrong(message: str, key: str) -> Diagnostic:
    where = Location(file="", route=("options", key))
    return Diagnostic(code="wrong-value", message=message, where=where, hint="alarms begin at threshold, end below clear")
