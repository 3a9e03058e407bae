"""Regression: one output of numbers; the truth beside a sample is a number, or an array of the output's shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Location

SUMMARY = "one or several measured quantities"
NEEDS: tuple[str, ...] = ()
METRICS = ("mae", "rmse", "r2", "max-abs-error", "sqnr")
TRUTH = "number"
DECIDES = ""
WORDS: Json = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 64}, "minItems": 1, "maxItems": 256}
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "names": {
            **WORDS,
            "title": "Names",
            "description": "What each number of the first output is, in order. Left out, they are counted from 0.",
            "examples": [["temperature", "pressure"]],
        },
        "units": {
            **WORDS,
            "title": "Units",
            "description": "The unit of each number, in order; the runner prints it beside the value.",
            "examples": [["°C", "kPa"]],
        },
    },
}


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return a name that stands twice, control characters, and units that are not as many as the names."""
    names, units = options.get("names", []), options.get("units", [])
    found = [
        _wrong(f"{key}: {word!r} holds control characters", key)
        for key, words in (("names", names), ("units", units))
        for word in words
        if any(ord(character) < 32 or ord(character) == 127 for character in word)
    ]
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        found.append(_wrong(f"the name {twice[0]!r} stands twice", "names"))
    if names and units and len(names) != len(units):
        found.append(_wrong(f"{len(units)} units for {len(names)} names", "units"))
    return found


def labels(options: Options, project: Project) -> tuple[str, ...]:
    """Return no class names: the truth is a number."""
    return ()


def unfit(options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return a message where the options name another number of values than the first output has."""
    count = math.prod(shapes[0])
    for key in ("names", "units"):
        if key in options and len(options[key]) != count:
            return f"the task gives {len(options[key])} {key}; the first output is {list(shapes[0])}, {count} numbers"
    return None


def _wrong(message: str, key: str) -> Diagnostic:
    hint = "give one name and one unit for each number of the output, in order"
    return Diagnostic(code="wrong-value", message=message, where=Location(file="", route=("options", key)), hint=hint)
