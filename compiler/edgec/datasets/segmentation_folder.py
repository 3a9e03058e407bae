"""Pictures in one folder and their masks in another, paired by path: `images/night/7.jpg` and `masks/night/7.png`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Image, Input, Options
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.datasets.arrays import wrong
from edgec.datasets.choose import choose
from edgec.datasets.folders import found, refuse_strange
from edgec.datasets.masks import check_mask, fitted_mask, read_mask
from edgec.datasets.pictures import Pictures, strays
from edgec.datasets.pixels import SUFFIXES, picture_size
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.files import located

SUMMARY = "pictures, and masks (PNG) with a class index for each of their pixels"
NEEDS: tuple[str, ...] = ()
TRUTHS = ("mask",)
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "title": "Folder",
            "description": "Folder that holds the two others, relative to the manifest.",
            "examples": ["data/street/test"],
        },
        "images": {
            "type": "string",
            "minLength": 1,
            "title": "Pictures",
            "description": "Folder of pictures (PNG or JPEG, also in folders) below `path`.",
            "default": "images",
        },
        "masks": {
            "type": "string",
            "minLength": 1,
            "title": "Masks",
            "description": "Folder of masks below `path`: PNG in grey or palette, named like the pictures and of their size.",
            "default": "masks",
        },
        "ignore": {
            "type": "integer",
            "minimum": 0,
            "maximum": 65535,
            "title": "Ignore",
            "description": "The index of pixels that count for nothing, such as void and borders.",
            "default": 255,
        },
        "samples": {
            "type": "integer",
            "minimum": 1,
            "title": "Samples",
            "description": "Use this many pictures, evenly spaced. Default: all.",
            "examples": [100],
        },
    },
}

LOOKED_AT = 16
"""Masks that are decoded to check a manifest, evenly spaced; the others are when they are read."""

TOLD = 5


@dataclass(frozen=True, kw_only=True)
class Masked(Sequence[Sample]):
    """``pictures`` with the paths of their masks, in the same order; a sample's label is its mask, int16 [height, width]."""

    pictures: Pictures
    masks: tuple[Path, ...]
    names: tuple[str, ...]
    image: Image
    classes: int
    ignore: int

    def __len__(self) -> int:
        return len(self.masks)

    def identities(self) -> list[tuple[str, Any]]:
        """Return each sample's id, and the name of its mask for the truth: nothing is decoded."""
        return [(name, mask) for (name, _), mask in zip(self.pictures.identities(), self.names, strict=True)]

    def __getitem__(self, index: Any) -> Any:
        """Return one Sample, or a tuple of them for a slice. Raises Failure ``data-…`` for a bad picture or mask."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        return replace(self.pictures[index], label=fitted_mask(self.mask(index), self.image, self.ignore))

    def mask(self, index: int) -> Any:
        """Return one mask at its own size, checked against its picture and the labels."""
        shown = self.masks[index].relative_to(self.pictures.root).as_posix()
        mask = read_mask(self.masks[index], shown)
        size = picture_size(self.pictures.paths[index], self.pictures.shown(index))
        check_mask(mask, size, self.classes, self.ignore, shown)
        return mask


def check(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> list[Diagnostic]:
    """Return what is wrong with the folders, the pairs, and some of the masks: size and classes."""
    astray: list[Diagnostic] = []
    try:
        pictures = list(found(_folder(options, project, "images")))
        astray = strays(pictures, project, "images" if "images" in options else "path")
        data = _masked(options, project, inputs, labels)
    except Failure as failure:
        return [*astray, *failure.diagnostics]
    problems: list[Diagnostic] = []
    count = min(LOOKED_AT, len(data))
    for index in sorted({position * len(data) // count for position in range(count)}):
        try:
            data.mask(index)
        except Failure as failure:
            problems += (replace(item, where=Location(file="", route=("path",))) for item in failure.diagnostics)
    return astray + problems[:TOLD]


def files(options: Options, project: Project) -> list[Path]:
    """Return every picture and mask that ``samples`` reads, sorted, as absolute paths."""
    return sorted(path for pair in _pairs(options, project) for path in pair)


def labelled(options: Options, project: Project, labels: Sequence[str]) -> bool:
    """Return True: every picture has a mask."""
    return True


def samples(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> Sequence[Sample]:
    """Return the pictures sorted by path. Indexing raises Failure ``data-…`` for what is corrupt or does not fit."""
    return _masked(options, project, inputs, labels)


def _masked(options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str]) -> Masked:
    image = inputs[0].image if len(inputs) == 1 else None
    if image is None:
        message = "segmentation-folder feeds exactly one image input"
        raise Failure(wrong("data-mismatch", message, hint="give the manifest one input with an `image:` block"))
    pairs = _pairs(options, project)
    images, masks = (_folder(options, project, key) for key in ("images", "masks"))
    pictures = Pictures(
        root=project.root,
        paths=tuple(picture for picture, _ in pairs),
        names=tuple(picture.relative_to(images).as_posix() for picture, _ in pairs),
        labels=(None,) * len(pairs),
        input=inputs[0].name,
        image=image,
    )
    names = tuple(mask.relative_to(masks).as_posix() for _, mask in pairs)
    return Masked(
        pictures=pictures,
        masks=tuple(mask for _, mask in pairs),
        names=names,
        image=image,
        classes=len(labels),
        ignore=options.get("ignore", 255),
    )


def _folder(options: Options, project: Project, key: str) -> Path:
    within = str(options.get(key, key))
    return located(
        project, f"{options['path']}/{within}", (key if key in options else "path",), code="data-missing", kind="folder"
    )


def _pairs(options: Options, project: Project) -> list[tuple[Path, Path]]:
    """The chosen pictures with their masks, sorted by path. Raises Failure for one that lacks the other."""
    images, masks = (_folder(options, project, key) for key in ("images", "masks"))
    pictures, truths = _by_stem(images, project, SUFFIXES), _by_stem(masks, project, (".png",))
    if not pictures:
        raise Failure(wrong("data-empty", f"{project.relative(images)!r} holds no PNG or JPEG picture"))
    lone = [*_lone("picture", pictures, truths, images, "mask"), *_lone("mask", truths, pictures, masks, "picture")]
    if lone:
        raise Failure(*lone)
    names = sorted(pictures)
    chosen = choose(names, [0] * len(names), options.get("samples"))
    return [(pictures[name], truths[name]) for name in chosen]


def _by_stem(folder: Path, project: Project, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files below a folder by their path in it without the suffix. Raises Failure where two have the same."""
    files: dict[str, Path] = {}
    for entry in found(folder):
        path = Path(entry.path)
        if not entry.name.lower().endswith(suffixes):
            continue
        refuse_strange(entry, path.relative_to(folder).as_posix(), project)
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in files:
            names = " and ".join(repr(one.relative_to(folder).as_posix()) for one in (files[stem], path))
            raise Failure(wrong("data-mismatch", f"{names} would have the same mask", hint="rename one of them"))
        files[stem] = path
    return files


def _lone(kind: str, ones: dict[str, Path], others: dict[str, Path], folder: Path, other: str) -> list[Diagnostic]:
    """Name those of one folder that the other has nothing for."""
    names = [ones[name].relative_to(folder).as_posix() for name in sorted(ones.keys() - others.keys())]
    if not names:
        return []
    listed = ", ".join(map(repr, names[:TOLD])) + (" …" if len(names) > TOLD else "")
    message = f"{len(names)} of {len(ones)} {kind}s have no {other}: {listed}"
    return [wrong("data-mismatch", message, hint="a picture and its mask have the same path but for the suffix")]
