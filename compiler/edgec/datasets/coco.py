"""Pictures and their boxes in COCO's format: a JSON file of annotations, and the folder that its file names lie in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgec import reads
from edgec.artifacts.boxes import Truth, packed
from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Image, Input, Options
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.datasets.arrays import wrong
from edgec.datasets.choose import choose
from edgec.datasets.coco_file import TOLD, Annotations, Picture, read
from edgec.datasets.pixels import SUFFIXES, decode, fit
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.files import located

SUMMARY = "pictures with boxes, in the format of COCO"
NEEDS: tuple[str, ...] = ()
TRUTHS = ("boxes",)
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path", "annotations"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "title": "Folder",
            "description": "Folder of pictures, relative to the manifest; the file names of the annotations lie in it.",
            "examples": ["data/detector/evaluation"],
        },
        "annotations": {
            "type": "string",
            "minLength": 1,
            "title": "Annotations",
            "description": "A JSON file with images, annotations (boxes as x, y, width, height in pixels) and categories; "
            "the categories' names are the task's labels. Pictures without a box count as such.",
            "examples": ["data/detector/evaluation.json"],
        },
        "samples": {
            "type": "integer",
            "minimum": 1,
            "title": "Samples",
            "description": "Use this many pictures, evenly spaced. Default: all.",
        },
    },
}


def check(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> list[Diagnostic]:
    """Return what is wrong with the file, its boxes and its pictures' names; no picture is decoded."""
    if [entry.image is not None for entry in inputs] != [True]:
        message = f"coco feeds exactly one image input; the manifest has {len(inputs)} inputs"
        if len(inputs) == 1:
            message = f"coco feeds an image input; {inputs[0].name!r} is a plain tensor"
        return [wrong("data-mismatch", message, hint="give the input an `image:` block, or use format npz or csv")]
    try:
        found = _annotations(options, project, labels)
        folder = _folder(options, project)
    except Failure as failure:
        return list(failure.diagnostics)
    shown = str(options["annotations"])
    if not found.pictures and not found.findings:
        return [wrong("data-empty", f"{shown} names no image", route=("annotations",))]
    return [*found.findings, *_unusable(found.pictures, folder, shown, project)]


def files(options: Options, project: Project) -> list[Path]:
    """Return the annotations and every picture that ``samples`` reads, sorted, as absolute paths."""
    folder = _folder(options, project)
    chosen = _chosen(_annotations(options, project, ()).pictures, options)
    return sorted({_file(options, project), *(folder / picture.file for picture in chosen)})


def labelled(options: Options, project: Project, labels: Sequence[str]) -> bool:
    """Return True: a picture without boxes is known to be empty."""
    return True


def samples(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> Sequence[Sample]:
    """Return the pictures in the file's order, each with its boxes. Indexing raises Failure ``data-…`` for a bad picture."""
    problems = [finding for finding in check(options, project, inputs, labels) if finding.severity == "error"]
    if problems:
        raise Failure(*problems)
    image = inputs[0].image
    assert image is not None  # check() saw to it
    return Pictures(
        root=project.root,
        folder=_folder(options, project),
        annotations=project.relative(_file(options, project)),
        pictures=(chosen := tuple(_chosen(_annotations(options, project, labels).pictures, options))),
        most=max((len(picture.boxes) for picture in chosen), default=0),
        input=inputs[0].name,
        image=image,
    )


@dataclass(frozen=True, kw_only=True)
class Pictures(Sequence[Sample]):
    """Samples named by their file; the truth of each is ``edgec.artifacts.boxes.packed``, ``most`` boxes long.

    ``annotations`` is the file that they are from, relative to ``root``, the project's, as messages have it.
    """

    root: Path
    folder: Path
    annotations: str
    pictures: tuple[Picture, ...]
    most: int
    input: str
    image: Image

    def __len__(self) -> int:
        return len(self.pictures)

    def identities(self) -> list[tuple[str, Any]]:
        """Return each sample's id and truth; no picture is decoded."""
        return [(picture.file, self._truth(picture)) for picture in self.pictures]

    def __getitem__(self, index: Any) -> Any:
        """Return one Sample ({input: float32 [1, height, width, 3] in 0..255}), or a tuple of them for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        import numpy as np

        picture = self.pictures[index]
        path = self.folder / picture.file
        decoded = decode(path, path.relative_to(self.root).as_posix())
        if decoded.size != (picture.width, picture.height):
            given, there = f"{picture.width} x {picture.height}", f"{decoded.width} x {decoded.height}"
            message = f"{self.annotations}: image {picture.id} ({picture.file}) is given as {given} pixels, and is {there}"
            where = Location(file=self.annotations, route=("images", picture.position))
            hint = "its boxes would lie elsewhere"
            raise Failure(Diagnostic(code="data-mismatch", message=message, where=where, hint=hint))
        pixels = np.array(fit(decoded, self.image.width, self.image.height, self.image.fit), dtype=np.float32)
        return Sample(id=picture.file, tensors={self.input: pixels[np.newaxis]}, label=self._truth(picture), picture=path)

    def _truth(self, picture: Picture) -> Any:
        return packed(Truth(size=(picture.width, picture.height), boxes=picture.boxes), self.most)


def _file(options: Options, project: Project) -> Path:
    return located(project, str(options["annotations"]), ("annotations",), code="data-missing")


def _folder(options: Options, project: Project) -> Path:
    return located(project, str(options["path"]), ("path",), code="data-missing", kind="folder")


def _annotations(options: Options, project: Project, labels: Sequence[str]) -> Annotations:
    return read(_file(options, project), str(options["annotations"]), labels)


def _chosen(pictures: Sequence[Picture], options: Options) -> list[Picture]:
    return choose(pictures, [0] * len(pictures), options.get("samples"))


def _unusable(pictures: Sequence[Picture], folder: Path, shown: str, project: Project) -> Iterator[Diagnostic]:
    """Pictures that are not there, outside the root, or in a format that is not read: the first few of each, and how many."""
    problems: dict[tuple[str, str], list[Picture]] = {}
    for place in {os.path.dirname(os.path.join(folder, picture.file)) for picture in pictures}:  # noqa: PTH118, PTH120
        reads.note_folder(place)
    for picture in pictures:
        if why := _unreadable(picture, folder, project):
            problems.setdefault(why, []).append(picture)
    for (code, what), wanting in problems.items():
        first = ", ".join(f"image {picture.id} ({picture.file})" for picture in wanting[:TOLD])
        more = f" and {len(wanting) - TOLD} more" if len(wanting) > TOLD else ""
        yield wrong(code, f"{shown}: {what}: {first}{more}", hint="file names are relative to `path`")


def _unreadable(picture: Picture, folder: Path, project: Project) -> tuple[str, str] | None:
    path = os.path.join(folder, picture.file)  # noqa: PTH118 - thousands of them, and pathlib is slow
    if not os.path.realpath(path).startswith(str(project.root) + os.sep):
        return "path-outside-root", "pictures outside the project's root"
    if not os.path.isfile(path):  # noqa: PTH113
        return "data-missing", "pictures that are not there"
    if not picture.file.lower().endswith(SUFFIXES):
        return "data-unreadable", "pictures that are neither PNG nor JPEG"
    return None
