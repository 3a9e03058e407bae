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
        "timm": "edgec.sources.timm",
        "huggingface": "edgec.sources.huggingface",
        "torch-hub": "edgec.sources.torch_hub",
    },
    "datasets": {
        "image-folder": "edgec.datasets.image_folder",
        "audio-folder": "edgec.datasets.audio_folder",
        "npz": "edgec.datasets.npz",
        "csv": "edgec.datasets.csv",
        "coco": "edgec.datasets.coco",
        "segmentation-folder": "edgec.datasets.segmentation_folder",
    },
    "recipes": {
        "fp32": "edgec.recipes.fp32",
        "fp16": "edgec.recipes.fp16",
        "bf16": "edgec.recipes.bf16",
        "int8": "edgec.recipes.int8",
        "int8-dynamic": "edgec.recipes.int8_dynamic",
        "int4": "edgec.recipes.int4",
        "int8-qat": "edgec.recipes.int8_qat",
        "mixed": "edgec.recipes.mixed",
        "auto": "edgec.recipes.auto",
    },
    "delegates": {
        "xnnpack": "edgec.delegates.xnnpack",
        "portable": "edgec.delegates.portable",
        "openvino": "edgec.delegates.openvino",
        "ethos-u": "edgec.delegates.ethos_u",
        "cortex-m": "edgec.delegates.cortex_m",
        "tosa": "edgec.delegates.tosa",
        "vgf": "edgec.delegates.vgf",
        "coreml": "edgec.delegates.coreml",
        "vulkan": "edgec.delegates.vulkan",
        "webgpu": "edgec.delegates.webgpu",
        "mlx": "edgec.delegates.mlx",
        "qnn": "edgec.delegates.qnn",
        "mediatek": "edgec.delegates.mediatek",
        "samsung": "edgec.delegates.samsung",
        "nxp": "edgec.delegates.nxp",
        "cadence": "edgec.delegates.cadence",
        "cuda": "edgec.delegates.cuda",
    },
    "metrics": {
        "top1": "edgec.metrics.top1",
        "top5": "edgec.metrics.top5",
        "agreement": "edgec.metrics.agreement",
        "sqnr": "edgec.metrics.sqnr",
        "max-abs-error": "edgec.metrics.max_abs_error",
        "cosine": "edgec.metrics.cosine",
        "recall1": "edgec.metrics.recall1",
        "mae": "edgec.metrics.mae",
        "rmse": "edgec.metrics.rmse",
        "r2": "edgec.metrics.r2",
        "auc": "edgec.metrics.auc",
        "delay": "edgec.metrics.delay",
        "map50": "edgec.metrics.map50",
        "map": "edgec.metrics.map",
        "miou": "edgec.metrics.miou",
        "accuracy": "edgec.metrics.accuracy",
        "far-per-hour": "edgec.metrics.far_per_hour",
    },
    "tasks": {
        "classification": "edgec.tasks.classification",
        "tensor": "edgec.tasks.tensor",
        "embedding": "edgec.tasks.embedding",
        "regression": "edgec.tasks.regression",
        "anomaly": "edgec.tasks.anomaly",
        "detection": "edgec.tasks.detection",
        "segmentation": "edgec.tasks.segmentation",
        "keyword-spotting": "edgec.tasks.keyword_spotting",
    },
}

REWRITES: dict[str, str] = {
    "constants": "edgec.rewrites.constants",
    "pixels": "edgec.rewrites.pixels",
    "stems": "edgec.rewrites.stems",
    "linears": "edgec.rewrites.linears",
    "silu": "edgec.rewrites.silu",
    "hardsigmoid": "edgec.rewrites.hardsigmoid",
    "pooling": "edgec.rewrites.pooling",
    "attention": "edgec.rewrites.attention",
    "products": "edgec.rewrites.products",
    "rolls": "edgec.rewrites.rolls",
    "nearest": "edgec.rewrites.nearest",
    "views": "edgec.rewrites.views",
    "layer-norm": "edgec.rewrites.layer_norm",
    "gelu": "edgec.rewrites.gelu",
}
"""Rewrites of the exported graph (``edgec.protocols.Rewrite``), in the order they are tried; users do not name them."""

KINDS: dict[str, str] = {
    "linux-native": "edgec.kinds.linux_native",
    "linux-source": "edgec.kinds.linux_source",
    "reference": "edgec.kinds.reference",
    "microcontroller": "edgec.kinds.microcontroller",
    "android": "edgec.kinds.android",
    "apple": "edgec.kinds.apple",
}
"""Kinds of bundle (``edgec.protocols.BundleKind``); a target's row names its own, and a delegate may change it."""


def names(kind: Kind) -> tuple[str, ...]:
    """Return the names of all plugins of one kind, in the order they are listed to users."""
    return tuple(REGISTRY[kind])


def plugin(kind: Kind, name: str) -> Any:
    """Return the module of one plugin (a Source, Dataset, … of ``edgec.protocols``); KeyError for an unknown name."""
    return importlib.import_module(REGISTRY[kind][name])


def rewrite_module(name: str) -> Any:
    """Return the module of one rewrite (a Rewrite of ``edgec.protocols``); KeyError for an unknown name."""
    return importlib.import_module(REWRITES[name])


def bundle_kind(name: str) -> Any:
    """Return the module of one kind of bundle (a BundleKind of ``edgec.protocols``); KeyError for an unknown name."""
    return importlib.import_module(KINDS[name])
