"""Files in a folder of class folders: the class of each, and the classes held against the task's labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgec.artifacts.project import Project
from edgec.datasets.arrays import wrong
from edgec.datasets.folders import refuse_strange
from edgec.diagnostics import Diagnostic, lookalike, nearest


def classed(entry: os.DirEntry[str], start: int, project: Project) -> tuple[str, str | None]:
    """Return a file's path as text, for speed, and the name of its class folder or None; ``start`` is where that begins.

    Raises Failure as ``refuse_strange``.
    """
    inside = entry.path[start:]
    refuse_strange(entry, inside, project)
    first, separator, _ = inside.partition(os.sep)
    return entry.path, first if separator else None


def class_problems(
    names: Sequence[str | None], labels: Sequence[str], folder: Path, project: Project, noun: str
) -> list[Diagnostic]:
    """Return class folders that no label names, labels without a file, and files beside class folders."""
    classes = sorted({name for name in names if name is not None})
    if not labels or not classes:
        return []
    found = []
    for name in classes:
        if name not in labels:
            message = f"the class folder {project.relative(folder / name)!r} is not among the task's labels"
            found.append(wrong("data-labels", message, hint=_meant(name, labels)))
    if None in names:
        message = f"{names.count(None)} {noun}s lie in no class folder, beside {len(classes)} class folders"
        found.append(wrong("data-labels", message, hint=f"move each {noun} into the folder of its class"))
    if empty := [label for label in labels if label not in classes]:
        message = f"no {noun} for {len(empty)} of {len(labels)} labels: {_listed(empty)}"
        hint = f"add {noun}s, or accept that these are not tested"
        found.append(wrong("data-labels", message, severity="warning", hint=hint))
    return found


def _meant(name: str, labels: Sequence[str]) -> str:
    """What may have been meant by a name that is no label; where the two look alike, what tells them apart."""
    if twin := lookalike(name, labels):
        return f"{twin!r} only looks the same: it is in another Unicode normalisation; name the folder as the label"
    close = nearest(name, labels)
    return f"did you mean {close!r}?" if close else f"labels are {_listed(labels)}"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(repr(word) for word in words[:10]) + (" …" if len(words) > 10 else "")
