"""The ``labels`` option of a task: class names in the order of the model's outputs, from a text file or a list."""

from __future__ import annotations

from pathlib import Path

from edgec.artifacts.document import Json
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.files import located

LABELS: Json = {
    "type": ["string", "array"],
    "items": {"type": "string", "minLength": 1},
    "minItems": 2,
    "minLength": 1,
    "title": "Labels",
    "description": "The class names in the order of the model's outputs: a text file with one name a line, "
    "relative to the manifest, or a list.",
    "examples": ["labels/digits.txt", ["cat", "dog"]],
}


def label_names(given: str | list[str], project: Project, least: int = 2) -> tuple[str, ...]:
    """Return the class names in index order, ``least`` or more. Raises Failure ``labels-invalid`` or ``path-outside-root``."""
    if isinstance(given, str):
        names = _lines(located(project, given, ("options", "labels"), code="labels-invalid"), given)
    else:
        names = tuple(given)
    if problem := _problem(names, least):
        raise _invalid(problem)
    return names


def _lines(path: Path, shown: str) -> tuple[str, ...]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(f"{shown!r} is not UTF-8 text (byte {error.start})") from None
    return tuple(line.strip() for line in text.rstrip("\r\n").split("\n"))


def _problem(names: tuple[str, ...], least: int) -> str | None:
    if len(names) < least:
        return f"{len(names)} label is too few: a classifier tells at least two classes apart"
    for index, name in enumerate(names):
        if not name or any(ord(character) < 32 or ord(character) == 127 for character in name):
            return f"label {index + 1} of {len(names)} is empty or holds control characters"
        if names.index(name) != index:
            return f"label {name!r} stands twice, as number {names.index(name) + 1} and {index + 1}"
    return None


def _invalid(message: str) -> Failure:
    return Failure(
        Diagnostic(
            code="labels-invalid",
            message=message,
            where=Location(file="", route=("options", "labels")),
            hint="write one class name a line, in the order of the model's outputs",
        )
    )
