"""Arm's VGF: graphs for GPUs with the ML extensions for Vulkan."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.delegates import arm
from edgec.runtime.extras import missing_extra

SUMMARY = "Arm GPUs through the ML extensions for Vulkan (edgec[vgf])"
OPTIONS: Json = {"type": "object", "title": "vgf", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ("model_converter", "tosa_reference_model", "ml_dtypes")
RECIPES: tuple[str, ...] = ("fp32", "fp16", "int8", "int8-qat", "auto")
BACKENDS: tuple[str, ...] = ("VgfBackend",)
FOLDS = True
SELECTIVE = False
SCHEME: tuple[str, ...] = ("per_channel",)
AVAILABLE = True
NOT_RUN = "the runtime in the registries has no VGF, and this machine no Vulkan ML extensions"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return the extra that brings what it needs, where something is absent."""
    return missing_extra(NEEDS, "vgf")


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return Arm's quantizer for VGF."""
    from executorch.backends.arm.quantizer import VgfQuantizer

    return arm.symmetric(VgfQuantizer(_specification("int8")), scheme)


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner."""
    from executorch.backends.arm.vgf import VgfPartitioner

    # ExecuTorch looks for the converter on the PATH, where an environment that is not activated has not put it.
    spec = importlib.util.find_spec("model_converter")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        os.environ.setdefault("MODEL_CONVERTER_PATH", str(Path(place) / "binaries" / "bin" / "model-converter"))
    return [VgfPartitioner(_specification(precision))]


def steps(precision: str, options: Options) -> Steps:
    """Return the compile configuration that Arm's graphs need."""
    return Steps(edge=arm.unchecked())


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Return the TOSA reference model."""
    return arm.reference(program, _specification(precision).tosa_spec)


def _specification(precision: str) -> Any:
    from executorch.backends.arm.vgf import VgfCompileSpec

    return VgfCompileSpec("TOSA-1.0+INT" if precision == "int8" else "TOSA-1.0+FP")
