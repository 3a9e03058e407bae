"""Arm's Ethos-U neural processors, beside a Cortex-M or Cortex-A: integers only, compiled by Vela."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.delegates import arm
from edgec.runtime.extras import missing_extra
from edgec.upstream.vela import vela_estimates

CONFIGURATIONS = (
    *("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512"),
    *("ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048"),
)

DEFAULT = "ethos-u55-128"

SUMMARY = "Arm Ethos-U55, U65 and U85 NPUs, int8 only (edgec[ethos-u])"
OPTIONS: Json = {
    "type": "object",
    "title": "ethos-u",
    "additionalProperties": False,
    "properties": {
        "configuration": {
            "enum": [*CONFIGURATIONS],
            "title": "Accelerator configuration",
            "description": "The NPU and its multiply-accumulates a cycle; by default that of the target, else ethos-u55-128.",
        },
        "system_config": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_]+$",
            "title": "System configuration",
            "description": "A system of Vela's Arm/vela.ini: clocks and memories that its estimates are made with.",
            "examples": ["Ethos_U55_High_End_Embedded", "Ethos_U85_SYS_DRAM_Mid"],
        },
        "memory_mode": {
            "enum": ["Sram_Only", "Shared_Sram", "Dedicated_Sram", "Dedicated_Sram_384KB", "Dedicated_Sram_512KB"],
            "title": "Memory mode",
            "description": "Where weights and feature maps lie; by default what suits the configuration.",
        },
    },
}
NEEDS: tuple[str, ...] = ("ethosu", "tosa_reference_model", "ml_dtypes")
RECIPES: tuple[str, ...] = ("int8", "int8-qat")
BACKENDS: tuple[str, ...] = ("EthosUBackend",)
FOLDS = True
SELECTIVE = False
SCHEME: tuple[str, ...] = ("per_channel",)
AVAILABLE = True
NOT_RUN = "it needs the NPU, or one of Arm's models of it, which no package registry has"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return the extra that brings what it needs, where something is absent."""
    return missing_extra(NEEDS, "ethos-u")


def settled(options: Options, target: Target) -> Options:
    """Return ``options`` with the target's accelerator as configuration, where they name none."""
    return {"configuration": target.accelerator, **options} if target.accelerator in CONFIGURATIONS else options


def unfit(options: Options, target: Target) -> str | None:
    """Return a message where ``options`` name a configuration of another family of NPUs than the target's."""
    asked, own = str(options.get("configuration", target.accelerator)), target.accelerator
    if not own or asked.rpartition("-")[0] == own.rpartition("-")[0]:
        return None
    return f"{asked} compiles for another NPU than the {own} of {target.name}"


def accelerator(options: Options) -> tuple[str, Mapping[str, int]]:
    """Return the NPU that settled ``options`` compile for, and the multiply-accumulates a cycle that its name ends in."""
    configuration = str(options.get("configuration", DEFAULT))
    return configuration, {"int8": int(configuration.rpartition("-")[2])}


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return Arm's quantizer for that processor."""
    from executorch.backends.arm.quantizer import EthosUQuantizer

    return arm.symmetric(EthosUQuantizer(_specification(options)), scheme)


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner. Of a float graph it would take nothing, and say nothing: RECIPES keep that out."""
    from executorch.backends.arm.ethosu import EthosUPartitioner

    return [EthosUPartitioner(_specification(options))]


def steps(precision: str, options: Options) -> Steps:
    """Return Arm's steps, and Vela's estimates."""
    return replace(arm.steps(precision), estimating=vela_estimates)


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Return the TOSA reference model with the subset of operators that the processor has."""
    return arm.reference(program, _specification(options).tosa_spec)


def _specification(options: Options) -> Any:
    from executorch.backends.arm.ethosu import EthosUCompileSpec

    return EthosUCompileSpec(
        options.get("configuration", DEFAULT),
        system_config=options.get("system_config"),
        memory_mode=options.get("memory_mode"),
    )
