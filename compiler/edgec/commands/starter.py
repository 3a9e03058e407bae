"""What lies in a folder (labelled pictures, weights) to the text of a manifest that uses it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

PICTURES = (".png", ".jpg", ".jpeg")
CALIBRATION = ("calibration", "train", "training")
EVALUATION = ("evaluation", "eval", "test", "val", "validation")
MAX_FOLDERS = 2000
"""Look into at most this many folders: ``edgec init /`` should end."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Class folders by role, relative to the manifest, their classes, and a file of weights with its sha256."""

    calibration: str | None = None
    evaluation: str | None = None
    classes: tuple[str, ...] = ()
    weights: tuple[str, str] | None = None


def starter(name: str, folder: Path) -> str:
    """Return a manifest's text for ``name``: classification where ``folder`` holds labelled pictures, else tensor."""
    found = _look(folder) if folder.is_dir() else Found()
    parts = [_head(name), _model(found), _inputs(), _task(found), _data(found), _rest(found)]
    return "\n".join(part for part in parts if part)


def _look(folder: Path) -> Found:
    """Find the first folders of each role that hold a folder a class, and the first .safetensors file."""
    roles: dict[str, tuple[str, tuple[str, ...]]] = {}
    weights = None
    for place in _folders(folder):
        role = "calibration" if place.name in CALIBRATION else "evaluation" if place.name in EVALUATION else None
        classes = _classes(place) if role and role not in roles else ()
        if role and len(classes) > 1:
            roles[role] = (place.relative_to(folder).as_posix(), classes)
        files = sorted(path for path in place.glob("*.safetensors") if path.is_file())
        if files and weights is None:
            digest = hashlib.sha256(files[0].read_bytes()).hexdigest()
            weights = (files[0].relative_to(folder).as_posix(), digest)
    classes = tuple(sorted({name for _, names in roles.values() for name in names}))
    path = {role: place for role, (place, _) in roles.items()}
    return Found(
        calibration=path.get("calibration"), evaluation=path.get("evaluation"), classes=classes, weights=weights
    )


def _folders(top: Path) -> Iterator[Path]:
    """Yield the folders below ``top`` in a stable order, hidden ones left out."""
    for here, names, _ in islice(os.walk(top), MAX_FOLDERS):
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield Path(here)


def _classes(place: Path) -> tuple[str, ...]:
    def holds_pictures(folder: Path) -> bool:
        return folder.is_dir() and any(file.suffix.lower() in PICTURES for file in folder.iterdir())

    return tuple(sorted(entry.name for entry in place.iterdir() if holds_pictures(entry)))


def _head(name: str) -> str:
    return f"""\
# `edgec schema > manifest.schema.json` and this line give completion in editors:
# yaml-language-server: $schema=manifest.schema.json
apiVersion: edgec/v1
name: {json.dumps(name)} # names the bundle
version: 0.1.0 # names the release
description: Say in one line what this does.
"""


def _model(found: Found) -> str:
    arguments = f"\n  arguments: {{num_classes: {len(found.classes)}}}" if found.classes else ""
    if found.weights:
        weights = f"{{file: {json.dumps(found.weights[0])}, sha256: {found.weights[1]}}}"
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
    labels = ", ".join(json.dumps(name) for name in found.classes)
    return f"""\
# The classes in the order of the model's outputs.
task:
  name: classification
  options:
    labels: [{labels}]
"""


def _data(found: Found) -> str:
    roles = (("calibration", found.calibration), ("evaluation", found.evaluation))
    lines = [f"  {role}: {{format: image-folder, path: {json.dumps(path)}}}" for role, path in roles if path]
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
