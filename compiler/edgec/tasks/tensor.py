"""Tensors in, tensors out: no labels and no meaning beyond being close to what the float32 model gives."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic

SUMMARY = "any tensors in and out, compared with the float32 model"
NEEDS: tuple[str, ...] = ()
METRICS = ("sqnr", "max-abs-error", "agreement")
TRUTH = ""
DECIDES = ""
OPTIONS: Json = {"type": "object", "additionalProperties": False, "properties": {}}


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return nothing: this task has no options that could be wrong."""
    return []


def labels(options: Options, project: Project) -> tuple[str, ...]:
    """Return no class names."""
    return ()


def unfit(options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return None: any output will do."""
    return None
