"""CMSIS-NN: Arm's integer kernels for Cortex-M, called operator by operator.

The kernels want channels last. ExecuTorch 1.5.1 has two ways to come by that: tensors that lie so from the export on, and
transposes put in where needed (its ``explicit_layout``). The second one takes any model.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.runtime.extras import missing_extra

CPUS = ("cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m23", "cortex-m33", "cortex-m35p",
        "cortex-m55", "cortex-m85")  # fmt: skip

SUMMARY = "Arm's CMSIS-NN kernels for Cortex-M, int8 only (edgec[cortex-m])"
OPTIONS: Json = {
    "type": "object",
    "title": "cortex-m",
    "additionalProperties": False,
    "properties": {
        "cpu": {
            "enum": [*CPUS],
            "title": "Core",
            "description": "The core whose kernels size the scratch buffers; by default the target's.",
        },
    },
}
NEEDS: tuple[str, ...] = ("ml_dtypes",)
RECIPES: tuple[str, ...] = ("int8",)
BACKENDS: tuple[str, ...] = ()
FOLDS = True
SELECTIVE = False
SCHEME: tuple[str, ...] = ()  # upstream's quantizer chooses for each kernel
AVAILABLE = True
NOT_RUN = "its kernels run on a Cortex-M"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return the extra that brings what it needs, where something is absent."""
    return missing_extra(NEEDS, "cortex-m")


def settled(options: Options, target: Target) -> Options:
    """Return ``options`` with the target's core, where they name none."""
    return {"cpu": target.cpu, **options} if target.cpu in CPUS else options


def unfit(options: Options, target: Target) -> str | None:
    """Return a message where ``options`` name another core than the target's: its kernels need other scratch buffers."""
    asked, own = str(options.get("cpu", target.cpu)), target.cpu
    if own not in CPUS or asked == own:
        return None
    return f"{asked}'s kernels need other scratch buffers than those for the {own} of {target.name}"


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return the quantizer of the Cortex-M kernels."""
    from executorch.backends.cortex_m.quantizer.quantizer import CortexMQuantizer

    return CortexMQuantizer(use_explicit_layout=True)


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return none: operators are rewritten in place."""
    return []


def steps(precision: str, options: Options) -> Steps:
    """Return the rewriting of operators to those of the kernels, for the core of ``options``."""
    from executorch.backends.cortex_m.edge_compile_config import cortex_m_edge_compile_config

    return Steps(edge=cortex_m_edge_compile_config(), after=partial(_rewritten, options), kernels="cortex_m")


def _rewritten(options: Options, edge: Any) -> Any:
    from executorch.backends.cortex_m.passes.cortex_m_pass_manager import CortexMPassManager
    from executorch.backends.cortex_m.target_config import CortexMTargetConfig
    from executorch.exir import EdgeProgramManager

    config = CortexMTargetConfig.from_target_string(options.get("cpu", "cortex-m55"))
    program = CortexMPassManager(edge.exported_program(), target_config=config, use_explicit_layout=True).transform()
    return EdgeProgramManager(program, compile_config=edge.compile_config)


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Return the kernels' reference in Python: the rewritten graph before it becomes a program."""
    from executorch.exir import to_edge_transform_and_lower

    own = steps(precision, options)
    edge = to_edge_transform_and_lower(program, partitioner=None, compile_config=own.edge)
    return _rewritten(options, edge).exported_program().module()
