"""A folder of PNG and JPEG pictures, one folder a class; or a flat folder, where no truth is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Input, Options
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.datasets.arrays import wrong
from edgec.datasets.choose import choose
from edgec.datasets.class_folders import class_problems, classed
from edgec.datasets.folders import found
from edgec.datasets.pictures import Pictures, strays
from edgec.datasets.pixels import SUFFIXES
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.files import located

SUMMARY = "a folder of PNG or JPEG pictures, one folder a class"
NEEDS: tuple[str, ...] = ()
TRUTHS = ("class",)
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "title": "Folder",
            "description": "Folder of pictures, relative to the manifest. Its sub-folders are named like the task's "
            "labels; pictures straight in it have no label and serve calibration only.",
            "examples": ["data/digits/train"],
        },
        "samples": {
            "type": "integer",
            "minimum": 1,
            "title": "Samples",
            "description": "Use this many pictures: as many of each class as can be, evenly spaced. Default: all.",
            "examples": [256],
        },
    },
}


def check(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> list[Diagnostic]:
    """Return what is wrong with the folder, its class names and the inputs; no picture is decoded."""
    if [entry.image is not None for entry in inputs] != [True]:
        message = f"image-folder feeds exactly one image input; the manifest has {len(inputs)} inputs"
        if len(inputs) == 1:
            message = f"image-folder feeds an image input; {inputs[0].name!r} is a plain tensor"
        return [wrong("data-mismatch", message, hint="give the input an `image:` block, or use format npz or csv")]
    try:
        folder = _folder(options, project)
        entries = list(found(folder))
        classes = [name for _, name in _chosen(entries, folder, options, project)]
    except Failure as failure:
        return list(failure.diagnostics)
    return strays(entries, project) + class_problems(classes, labels, folder, project, "picture")


def files(options: Options, project: Project) -> list[Path]:
    """Return every picture that ``samples`` reads, sorted, as absolute paths."""
    return [Path(path) for path in sorted({path for path, _ in _pictures(options, project)})]


def labelled(options: Options, project: Project, labels: Sequence[str]) -> bool:
    """Return whether pictures lie in folders of classes that the task has; their names alone are read."""
    return bool(labels) and any(name is not None for _, name in _pictures(options, project))


def samples(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> Sequence[Sample]:
    """Return the pictures sorted by path. Indexing raises Failure ``data-unreadable`` for a corrupt picture."""
    problems = [finding for finding in check(options, project, inputs, labels) if finding.severity == "error"]
    if problems:
        raise Failure(*problems)
    pictures = _pictures(options, project)
    image = inputs[0].image
    assert image is not None  # check() saw to it
    folder = _folder(options, project)
    return Pictures(
        root=project.root,
        paths=tuple(Path(path) for path, _ in pictures),
        names=tuple(Path(path).relative_to(folder).as_posix() for path, _ in pictures),
        labels=tuple(labels.index(name) if name is not None and name in labels else None for _, name in pictures),
        input=inputs[0].name,
        image=image,
    )


def _folder(options: Options, project: Project) -> Path:
    return located(project, str(options["path"]), ("path",), code="data-missing", kind="folder")


def _pictures(options: Options, project: Project) -> list[tuple[str, str | None]]:
    """The chosen pictures, sorted by path, each with the name of its class folder or None; paths as text, for speed."""
    folder = _folder(options, project)
    return _chosen(list(found(folder)), folder, options, project)


def _chosen(
    entries: Sequence[os.DirEntry[str]], folder: Path, options: Options, project: Project
) -> list[tuple[str, str | None]]:
    start = len(str(folder)) + 1
    pictures = [classed(entry, start, project) for entry in entries if entry.name.lower().endswith(SUFFIXES)]
    if not pictures:
        hint = "pictures end in " + ", ".join(SUFFIXES)
        raise Failure(wrong("data-empty", f"{options['path']!r} holds no PNG or JPEG picture", hint=hint))
    return choose(pictures, [name for _, name in pictures], options.get("samples"))
