"""MLX: the GPU of Macs with Apple silicon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target

SUMMARY = "GPUs of Apple silicon through MLX (macOS)"
OPTIONS: Json = {"type": "object", "title": "mlx", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ("executorch",)
RECIPES: tuple[str, ...] = ("fp32", "fp16")
BACKENDS: tuple[str, ...] = ("MLXBackend",)
FOLDS = True
SELECTIVE = True
SCHEME: tuple[str, ...] = ()
AVAILABLE = True
NOT_RUN = "it needs a Mac with Apple silicon and MLX's runtime"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return None: it comes with executorch."""
    return None


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Raise: no recipe of RECIPES quantizes."""
    raise NotImplementedError("MLX takes floating point")


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner; its serializer is generated where the wheel has none."""
    from edgec.upstream.mlx_bindings import import_mlx

    return [import_mlx().MLXPartitioner()]


def steps(precision: str, options: Options) -> Steps:
    """Return nothing beyond ExecuTorch's own steps."""
    return Steps()


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Return None: nothing here computes as that device does."""
    return None
