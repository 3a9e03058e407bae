"""XNNPACK: optimised float and integer kernels for Arm, x86 and RISC-V CPUs, in every ExecuTorch wheel."""

from __future__ import annotations

from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme

SUMMARY = "optimised CPU kernels (Arm, x86, RISC-V)"
OPTIONS: Json = {"type": "object", "title": "xnnpack", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ("executorch",)
RECIPES: tuple[str, ...] = ("fp32", "fp16", "int8")
BACKENDS: tuple[str, ...] = ("XnnpackBackend",)


def missing() -> str | None:
    """Return None: it comes with executorch."""
    return None


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return XNNPACK's symmetric int8 quantizer."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    config = get_symmetric_quantization_config(
        is_per_channel=scheme.per_channel, is_dynamic=scheme.dynamic, is_qat=scheme.training
    )
    found = XNNPACKQuantizer().set_global(config)
    return found.set_filter_function(scheme.quantized) if scheme.quantized else found


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner, which takes every precision that the graph shows it."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return [XnnpackPartitioner()]
