"""Name to module path: everything edgec supports, on one screen. Adding a plugin is its file and one line here."""

from __future__ import annotations

import importlib
from typing import Any, Literal

Kind = Literal["sources", "datasets", "recipes", "delegates", "metrics", "tasks"]

REGISTRY: dict[Kind, dict[str, str]] = {
    "sources": {
        "torchvision": "edgec.sources.torchvision",
        "python": "edgec.sources.python",
        "exported": "edgec.sources.exported",
    },
    "datasets": {
        "image-folder": "edgec.datasets.image_folder",
        "npz": "edgec.datasets.npz",
        "csv": "edgec.datasets.csv",
    },
    "recipes": {
        "fp32": "edgec.recipes.fp32",
        "fp16": "edgec.recipes.fp16",
        "int8": "edgec.recipes.int8",
    },
    "delegates": {
        "xnnpack": "edgec.delegates.xnnpack",
        "portable": "edgec.delegates.portable",
    },
    "metrics": {
        "top1": "edgec.metrics.top1",
        "top5": "edgec.metrics.top5",
        "agreement": "edgec.metrics.agreement",
        "sqnr": "edgec.metrics.sqnr",
        "max-abs-error": "edgec.metrics.max_abs_error",
    },
    "tasks": {
        "classification": "edgec.tasks.classification",
        "tensor": "edgec.tasks.tensor",
    },
}


def names(kind: Kind) -> tuple[str, ...]:
    """Return the names of all plugins of one kind, in the order they are listed to users."""
    return tuple(REGISTRY[kind])


def plugin(kind: Kind, name: str) -> Any:
    """Return the module of one plugin (a Source, Dataset, … of ``edgec.protocols``); KeyError for an unknown name."""
    return importlib.import_module(REGISTRY[kind][name])
