"""TOSA, Arm's operator set: a reference that other delegates of Arm's are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.delegates import arm
from edgec.runtime.extras import missing_extra

SUMMARY = "Arm's TOSA operator set, for reference (edgec[ethos-u])"
OPTIONS: Json = {"type": "object", "title": "tosa", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ("tosa_reference_model", "ml_dtypes")
RECIPES: tuple[str, ...] = ("fp32", "fp16", "int8", "int8-qat", "auto")
BACKENDS: tuple[str, ...] = ("TOSABackend",)
FOLDS = True
SELECTIVE = False
SCHEME: tuple[str, ...] = ("per_channel",)
AVAILABLE = True
NOT_RUN = "ExecuTorch has no runtime for TOSA itself"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return the extra that brings what it needs, where something is absent."""
    return missing_extra(NEEDS, "ethos-u")


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return Arm's quantizer for TOSA's integers."""
    from executorch.backends.arm.quantizer import TOSAQuantizer

    return arm.symmetric(TOSAQuantizer(_specification("int8")), scheme)


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner."""
    from executorch.backends.arm.tosa.partitioner import TOSAPartitioner

    return [TOSAPartitioner(_specification(precision))]


def steps(precision: str, options: Options) -> Steps:
    """Return Arm's steps."""
    return arm.steps(precision)


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Return the TOSA reference model."""
    return arm.reference(program, _specification(precision).tosa_spec)


def _specification(precision: str) -> Any:
    from executorch.backends.arm.tosa.compile_spec import TosaCompileSpec

    return TosaCompileSpec("TOSA-1.0+INT" if precision == "int8" else "TOSA-1.0+FP")
