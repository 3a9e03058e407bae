"""Core ML: Apple's neural engine, GPU and CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target

SUMMARY = "Apple's Core ML (iOS, macOS)"
OPTIONS: Json = {
    "type": "object",
    "title": "coreml",
    "additionalProperties": False,
    "properties": {
        "compute_units": {
            "enum": ["all", "cpu-only", "cpu-and-gpu", "cpu-and-ne"],
            "title": "Compute units",
            "description": "What of the device may run the model; ne is the neural engine.",
            "default": "all",
        },
        "compute_precision": {
            "enum": ["float32", "float16"],
            "title": "Compute precision",
            "description": "What Core ML computes and stores floats in; its neural engine knows float16 only.",
            "default": "float32",
        },
        "minimum_ios": {
            "enum": ["iOS15", "iOS16", "iOS17", "iOS18"],
            "title": "Minimum deployment target",
            "description": "The oldest system that the model must run on.",
            "default": "iOS17",
        },
    },
}
NEEDS: tuple[str, ...] = ("coremltools",)
RECIPES: tuple[str, ...] = ("fp32", "int8")
BACKENDS: tuple[str, ...] = ("CoreMLBackend",)
FOLDS = True
SELECTIVE = False
SCHEME: tuple[str, ...] = ("per_channel",)
AVAILABLE = True
NOT_RUN = "it needs Apple's Core ML runtime"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return None: coremltools comes with executorch."""
    return None


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return the quantizer of Core ML, for 8-bit weights and activations."""
    from coremltools.optimize.torch.quantization.quantization_config import (
        LinearQuantizerConfig,
        ModuleLinearQuantizerConfig,
        QuantizationScheme,
    )
    from executorch.backends.apple.coreml.quantizer import CoreMLQuantizer

    symmetric = ModuleLinearQuantizerConfig(
        quantization_scheme=QuantizationScheme.symmetric, weight_per_channel=scheme.per_channel
    )
    return CoreMLQuantizer(LinearQuantizerConfig(global_config=symmetric))


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner, for the precision and the oldest system asked for."""
    import coremltools
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    kind = options.get("compute_precision", "float32").upper()
    units = {"all": "ALL", "cpu-only": "CPU_ONLY", "cpu-and-gpu": "CPU_AND_GPU", "cpu-and-ne": "CPU_AND_NE"}
    specifications = CoreMLBackend.generate_compile_specs(
        compute_precision=getattr(coremltools.precision, kind),
        compute_unit=getattr(coremltools.ComputeUnit, units[options.get("compute_units", "all")]),
        minimum_deployment_target=getattr(coremltools.target, options.get("minimum_ios", "iOS17")),
    )
    return [CoreMLPartitioner(compile_specs=specifications)]


def steps(precision: str, options: Options) -> Steps:
    """Return nothing beyond ExecuTorch's own steps."""
    return Steps()


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Return None: nothing here computes as that device does."""
    return None
