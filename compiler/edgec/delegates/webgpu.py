"""WebGPU: GPUs in the browser and beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.delegates.xnnpack import symmetric

SUMMARY = "GPUs through WebGPU"
OPTIONS: Json = {"type": "object", "title": "webgpu", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ("executorch",)
RECIPES: tuple[str, ...] = ("fp32", "fp16", "int8", "auto")
BACKENDS: tuple[str, ...] = ("VulkanBackend",)  # WebGPU shares its format, and the id
FOLDS = True
SELECTIVE = True
SCHEME: tuple[str, ...] = ("per_channel", "observer")
AVAILABLE = True
NOT_RUN = "the runtime in the registries has no WebGPU backend"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return None: it comes with executorch."""
    return None


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return XNNPACK's quantizer, whose integers it takes; a ReLU6 it fuses with nothing."""
    return symmetric(scheme)


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner; fp16 converts inside the delegate."""
    from executorch.backends.webgpu.partitioner.partitioner import WebGPUPartitioner

    return [WebGPUPartitioner({"force_fp16": True} if precision == "fp16" else {})]


def steps(precision: str, options: Options) -> Steps:
    """Return nothing beyond ExecuTorch's own steps."""
    return Steps()


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Return None: nothing here computes as that device does."""
    return None
