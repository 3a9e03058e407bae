"""What lies in a folder (labelled pictures, weights) to the text of a manifest that uses it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure

CALIBRATION = ("calibration", "train", "training")
EVALUATION = ("evaluation", "eval", "test", "val", "validation")
MAX_FOLDERS = 2000
"""Look into at most this many folders: ``edgec init /`` should end."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Class folders by role, relative to the manifest, their classes, and a file of weights with its sha256.

    ``left_out`` has a warning on the first folder of each role that image-folder would refuse.
    """

    calibration: str | None = None
    evaluation: str | None = None
    classes: tuple[str, ...] = ()
    weights: tuple[str, str] | None = None
    left_out: tuple[Diagnostic, ...] = ()


def starter(name: str, project: Project) -> tuple[str, tuple[Diagnostic, ...]]:
    """Return a manifest's text for ``name`` and warnings on folders of data that are left out of it.

    It is of classification where its folder holds labelled pictures, else of tensors.
    """
    found = _look(project) if project.folder.is_dir() else Found()
    parts = [_head(name), _model(found), _inputs(), _task(found), _data(found), _rest(found)]
    return "\n".join(part for part in parts if part), found.left_out


def _look(project: Project) -> Found:
    """Find the first folders of each role that hold a folder a class, and the first .safetensors file.

    What those who read it would refuse is left out: an entry whose name no manifest can hold, a link that is not followed.
    """
    folder = project.folder
    roles: dict[str, tuple[str, tuple[str, ...]]] = {}
    left_out: dict[str, Diagnostic] = {}
    weights = None
    for place in _folders(folder):
        role = "calibration" if place.name in CALIBRATION else "evaluation" if place.name in EVALUATION else None
        if role and role not in roles:
            try:
                classes = _classes(place, project)
            except Failure as failure:
                left_out.setdefault(role, _left_out(place, role, failure.diagnostics[0], project))
                classes = ()
            if len(classes) > 1:
                roles[role] = (place.relative_to(folder).as_posix(), classes)
        weights = weights or _weights(place, project)
    classes = tuple(sorted({name for _, names in roles.values() for name in names}))
    path = {role: place for role, (place, _) in roles.items()}
    return Found(
        calibration=path.get("calibration"),
        evaluation=path.get("evaluation"),
        classes=classes,
        weights=weights,
        left_out=tuple(left_out.values()),
    )


def _folders(top: Path) -> Iterator[Path]:
    """Yield the folders below ``top`` in a stable order; hidden ones and links are left out, and names no manifest holds."""
    for here, names, _ in islice(os.walk(top), MAX_FOLDERS):
        names[:] = sorted(name for name in names if not name.startswith(".") and _can_be_written(name))
        yield Path(here)


def _classes(place: Path, project: Project) -> tuple[str, ...]:
    """Return the class folders that image-folder reads below ``place``. Raises Failure where it would refuse what is there."""
    from edgec.datasets.arrays import wrong
    from edgec.datasets.class_folders import class_problems, classed
    from edgec.datasets.folders import found
    from edgec.datasets.pixels import SUFFIXES

    start = len(str(place)) + 1
    try:
        pictures = [classed(entry, start, project) for entry in found(place) if entry.name.lower().endswith(SUFFIXES)]
    except OSError as error:
        raise Failure(wrong("data-unreadable", f"cannot be read: {error.strerror}")) from None
    names = [name for _, name in pictures]
    classes = sorted({name for name in names if name is not None})
    if problems := class_problems(names, classes, place, project, "picture"):
        raise Failure(*problems)
    if strange := [name for name in classes if not _can_be_written(name)]:
        hint = "rename it: UTF-8 without line breaks or characters that hide text"
        raise Failure(wrong("data-labels", f"no manifest can hold the class {strange[0]!r}", hint=hint))
    return tuple(classes)


def _left_out(place: Path, role: str, why: Diagnostic, project: Project) -> Diagnostic:
    """The refusal of a folder as a warning: the manifest goes without it."""
    message = f"{project.relative(place)!r} is left out, as data for {role}: {why.message}"
    return replace(why, message=message, severity="warning", where=None)


def _weights(place: Path, project: Project) -> tuple[str, str] | None:
    """Return the first .safetensors file of the project straight in ``place``, with its sha256."""
    from edgec.store.files import sha256_of

    for path in sorted(place.glob("*.safetensors")):
        inside = Path(os.path.realpath(path)).is_relative_to(project.root)
        try:
            if inside and path.is_file() and _can_be_written(path.name):
                return path.relative_to(project.folder).as_posix(), sha256_of(path)
        except OSError:  # whoever may not read it cannot load it either
            continue
    return None


def _can_be_written(name: str) -> bool:
    """Whether a manifest can hold ``name``: not where it is not UTF-8, or holds a line break or what hides text."""
    from edgec.stages.read import read_bytes

    if name.isascii() and name.isprintable():
        return True
    try:
        return bool(read_bytes(_quoted(name).encode(), "").data == name)
    except (Failure, UnicodeEncodeError):
        return False


def _quoted(text: str) -> str:
    """Return ``text`` as YAML has it in double quotes, without JSON's escapes for emoji: YAML pairs no surrogates."""
    return json.dumps(text, ensure_ascii=False)


def _head(name: str) -> str:
    return f"""\
# `edgec schema > manifest.schema.json` and this line give completion in editors:
# yaml-language-server: $schema=manifest.schema.json
apiVersion: edgec/v1
name: {_quoted(name)} # names the bundle
version: 0.1.0 # names the release
description: Say in one line what this does.
"""


def _model(found: Found) -> str:
    arguments = f"\n  arguments: {{num_classes: {len(found.classes)}}}" if found.classes else ""
    if found.weights:
        weights = f"{{file: {_quoted(found.weights[0])}, sha256: {found.weights[1]}}}"
    elif found.classes:
        weights = "{random: 0} # for a trial; then {file: weights.safetensors, sha256: ...}"
    else:
        weights = "DEFAULT # torchvision's own; or {file: weights.safetensors, sha256: ...}"
    return f"""\
# `edgec list sources` shows where a model can come from.
model:
  source: torchvision
  name: mobilenet_v3_small # any architecture of torchvision{arguments}
  weights: {weights}
"""


def _inputs() -> str:
    return """\
# What the device feeds: RGB, 0 to 255. Layout and (x / 255 - mean) / std are compiled into the model.
inputs:
  - name: image
    image: {width: 224, height: 224, fit: cover, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
"""


def _task(found: Found) -> str:
    if not found.classes:
        return """\
# Any tensors in and out; `{name: classification, options: {labels: labels.txt}}` gives the outputs a meaning.
task: tensor
"""
    labels = ", ".join(_quoted(name) for name in found.classes)
    return f"""\
# The classes in the order of the model's outputs.
task:
  name: classification
  options:
    labels: [{labels}]
"""


def _data(found: Found) -> str:
    roles = (("calibration", found.calibration), ("evaluation", found.evaluation))
    lines = [f"  {role}: {{format: image-folder, path: {_quoted(path)}}}" for role, path in roles if path]
    if not lines:
        return """\
# Real data: calibration for int8, evaluation to judge accuracy.
# data:
#   calibration: {format: image-folder, path: data/train, samples: 256}
#   evaluation: {format: image-folder, path: data/test}
"""
    return "\n".join(["# Calibration sets the int8 ranges; evaluation must be held out.", "data:", *lines, ""])


def _rest(found: Found) -> str:
    recipe = "int8" if found.calibration else "fp32"
    accuracy = (
        "\n  accuracy: {max_drop: 1%} # against the float32 model, on the evaluation data" if found.evaluation else ""
    )
    if not found.classes:
        accuracy = ""
    return f"""\
quantization: {recipe} # `edgec list recipes`
delegate: xnnpack # `edgec list delegates`
targets: [linux-x86_64] # `edgec list targets`

# A build that misses one of these makes no release. `edgec explain budgets` says more.
budgets:{accuracy}
  latency: {{p90: 100ms}} # of the model alone; `of: pipeline` adds decoding and the line of JSON, `after: 10min` a load before
  size: 20MB # model.pte
"""
