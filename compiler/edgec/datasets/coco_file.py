"""An annotations file in COCO's format, read and held against the task's labels: pictures, their boxes, all that is wrong."""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgec.artifacts.boxes import Box
from edgec.artifacts.document import Json
from edgec.datasets.arrays import wrong
from edgec.datasets.folders import is_utf8
from edgec.diagnostics import Diagnostic, Failure, Severity, nearest

TOLD = 3
"""Of mistakes of one kind this many are told one by one, and the others counted."""

SLACK = 1.0
"""Boxes of real data sets reach over their picture's edge by roundings: up to a pixel says nothing."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One entry of ``images``, the one at ``position``: ``file`` is relative to the folder of pictures; sizes in pixels."""

    position: int
    id: int | str
    file: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """What the file holds that can be used, and ``findings`` on what cannot."""

    pictures: tuple[Picture, ...]
    findings: tuple[Diagnostic, ...]


def read(path: Path, shown: str, labels: Sequence[str]) -> Annotations:
    """Return what ``path`` holds, pictures in the order of the file; boxes are cut off at their picture's edge.

    Raises Failure ``data-unreadable`` where it is no file in COCO's format.
    """
    content = _content(path, shown)
    told = _Told(shown)
    pictures = dict(_pictures(content["images"], told))
    classes = _classes(content["categories"], told)
    boxes: dict[int | str, list[Box]] = {name: [] for name in pictures}
    seen: set[int | str] = set()
    for position, entry in enumerate(content["annotations"]):
        name = _named(entry, "annotation", position, seen, told)
        if name is not None and (found := _box(entry, f"annotation {name}", pictures, classes, labels, told)):
            boxes[entry["image_id"]].append(found)
    used = {box.label for found in boxes.values() for box in found}
    if labels and used and not told.errors and (idle := [label for index, label in enumerate(labels) if index not in used]):
        told("idle", "data-labels", f"no box for {len(idle)} of {len(labels)} labels: {_listed(idle)}", severity="warning")
    return Annotations(
        pictures=tuple(replace(picture, boxes=tuple(boxes[name])) for name, picture in pictures.items()),
        findings=tuple(told.findings()),
    )


class _Told:
    """Findings by kind, each a message about one entry of the file, in the order they were made."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._kinds: dict[str, list[Diagnostic]] = {}

    def __call__(
        self, kind: str, code: str, message: str, hint: str | None = None, severity: Severity = "error"
    ) -> None:
        found = wrong(code, f"{self._shown}: {message}", hint=hint, severity=severity, route=("annotations",))
        self._kinds.setdefault(kind, []).append(found)

    @property
    def errors(self) -> bool:
        return any(found.severity == "error" for entries in self._kinds.values() for found in entries)

    def findings(self) -> Iterator[Diagnostic]:
        for found in self._kinds.values():
            more = len(found) - TOLD
            yield from found[: TOLD - 1]
            if found[TOLD - 1 :]:
                last = found[TOLD - 1]
                yield replace(last, message=f"{last.message} (and {more} more of this kind)") if more > 0 else last


def _content(path: Path, shown: str) -> Mapping[str, list[Json]]:
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Failure(wrong("data-unreadable", f"{shown} is no JSON file: {why}", route=("annotations",))) from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            hint = "an object with the lists images, annotations and categories"
            message = f"{shown} is no file in COCO's format: it has no list {key!r}"
            raise Failure(wrong("data-unreadable", message, hint=hint, route=("annotations",)))
    found: Mapping[str, list[Json]] = content
    return found


def _named(entry: Json, what: str, position: int, seen: set[int | str], told: _Told) -> int | str | None:
    """The id of an entry; None where it has none of its own, which is told."""
    name = entry.get("id") if isinstance(entry, dict) else None
    if isinstance(name, bool) or not isinstance(name, (int, str)):
        told(f"{what}-id", "data-unreadable", f"{what} number {position + 1} has no id")
        return None
    if name in seen:
        told(f"{what}-twice", "data-unreadable", f"the id {name} stands at two {what}s")
        return None
    seen.add(name)
    return name


def _pictures(entries: Sequence[Json], told: _Told) -> Iterator[tuple[int | str, Picture]]:
    seen: set[int | str] = set()
    owners: dict[str, int | str] = {}
    for position, entry in enumerate(entries):
        name = _named(entry, "image", position, seen, told)
        if name is None:
            continue
        file, size = entry.get("file_name"), (entry.get("width"), entry.get("height"))
        if not isinstance(file, str) or not file or "\0" in file:
            told("file", "data-unreadable", f"image {name} has no file_name")
        elif not is_utf8(file):
            told("utf-8", "data-unreadable", f"the file_name of image {name} is not UTF-8: {file!r}", "rename the file")
        elif posixpath.isabs(file):  # it would be the sample's name, in what must not depend on the machine
            message = f"the file_name of image {name} is absolute: {file!r}"
            told("absolute", "path-outside-root", message, "file names are relative to `path`")
        elif not all(isinstance(side, int) and not isinstance(side, bool) and 0 < side <= 1 << 20 for side in size):
            told("size", "data-unreadable", f"image {name} ({file}) has no width and height in pixels")
        elif (owner := owners.setdefault(posixpath.normpath(file), name)) != name:
            message = f"images {owner} and {name} have one file_name: {file}"
            told("file-twice", "data-mismatch", message, "leave one of them out")
        else:
            yield name, Picture(position=position, id=name, file=file, width=size[0], height=size[1])


def _classes(entries: Sequence[Json], told: _Told) -> dict[int | str, str]:
    seen: set[int | str] = set()
    found = {}
    for position, entry in enumerate(entries):
        name = _named(entry, "category", position, seen, told)
        if name is not None and isinstance(entry.get("name"), str):
            found[name] = entry["name"]
        elif name is not None:
            told("category-name", "data-unreadable", f"category {name} has no name")
    return found


def _box(
    entry: Mapping[str, Json],
    shown: str,
    pictures: Mapping[int | str, Picture],
    classes: Mapping[int | str, str],
    labels: Sequence[str],
    told: _Told,
) -> Box | None:
    image, category, bbox = entry.get("image_id"), entry.get("category_id"), entry.get("bbox")
    if not isinstance(image, (int, str)) or image not in pictures:
        told("image", "data-labels", f"{shown} is of image {image!r}, which is not among the images")
        return None
    label = _label(category, f"{shown} ({pictures[image].file})", classes, labels, told)
    cut = _cut(bbox, f"{shown} ({pictures[image].file})", pictures[image], told)
    if (crowd := entry.get("iscrowd", 0)) not in (0, 1):  # which false and true are too
        message = f"{shown} ({pictures[image].file}) has iscrowd {crowd!r}"
        told("crowd", "data-labels", message, "iscrowd is 0 or 1, or left out")
        return None
    if label is None or cut is None:
        return None
    x, y, width, height = cut
    return Box(label=label, x=x, y=y, width=width, height=height, crowd=bool(crowd))


def _label(
    category: Json, shown: str, classes: Mapping[int | str, str], labels: Sequence[str], told: _Told
) -> int | None:
    if not isinstance(category, (int, str)) or category not in classes:
        told("category", "data-labels", f"{shown} is of category {category!r}, which is not among the categories")
        return None
    name = classes[category]
    if not labels:  # the task's own finding says why it has none
        return None
    if name not in labels:
        close = nearest(name, labels)
        hint = f"did you mean {close!r}?" if close else f"labels are {_listed(labels)}"
        told("label", "data-labels", f"{shown} is a {name!r}, which is not among the task's labels", hint)
        return None
    return labels.index(name)


def _cut(bbox: Json, shown: str, picture: Picture, told: _Told) -> tuple[float, float, float, float] | None:
    """The box, cut off at the picture's edge; None where it is none."""
    numbers: Callable[[Any], bool] = lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)  # noqa: E731
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(numbers, bbox)):
        told("bbox", "data-labels", f"{shown} has no bbox of four numbers: x, y, width, height")
        return None
    bbox = [_float(value) for value in bbox]
    if not all(map(math.isfinite, bbox)):
        told("finite", "data-not-finite", f"the bbox of {shown} holds NaN or infinity: {_numbers(bbox)}")
        return None
    x, y, width, height = bbox
    if width <= 0 or height <= 0:
        told("empty", "data-labels", f"the bbox of {shown} is empty: {_numbers(bbox)}", "leave the annotation out")
        return None
    left, upper, right, lower = max(0.0, x), max(0.0, y), min(picture.width, x + width), min(picture.height, y + height)
    size = f"{picture.width} x {picture.height} pixels"
    if left >= right or upper >= lower:
        told("outside", "data-labels", f"the bbox of {shown} lies outside the picture of {size}: {_numbers(bbox)}")
        return None
    if max(left - x, upper - y, x + width - right, y + height - lower) > SLACK:
        message = f"the bbox of {shown} reaches out of the picture of {size}: {_numbers(bbox)}"
        told("beyond", "data-labels", message, "it is counted as cut off at the edge", "warning")
    return left, upper, right - left, lower - upper


def _float(value: float) -> float:
    """A number of JSON as a float; whole numbers too large for one, which JSON may hold, are infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _numbers(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(repr(word) for word in words[:10]) + (" …" if len(words) > 10 else "")
