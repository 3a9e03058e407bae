"""No delegate: ExecuTorch's portable kernels, slow and complete, the reference that everything else is held against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target

SUMMARY = "plain C++ kernels, no delegate; slow, for reference and microcontrollers"
OPTIONS: Json = {"type": "object", "title": "portable", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ("executorch",)
RECIPES: tuple[str, ...] = ("fp32", "fp16", "int8", "int8-dynamic", "int8-qat", "mixed", "auto")
BACKENDS: tuple[str, ...] = ()
FOLDS = True
SELECTIVE = True
SCHEME: tuple[str, ...] = ("per_channel", "observer")
AVAILABLE = True
NOT_RUN = ""
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {
    "int8": (Limit(sqnr=math.inf, relative_error=0.0, agreement=1.0), (1e-6, 0.05)),
}
"""Its int8 is float kernels between roundings, and floats sum otherwise on another CPU: the camera's golden vectors, made on
x86, were off by 2.2 % of the largest output on Cortex-A53, A57, A72 and A76 alike. The recipe's limits stay as they are."""


def missing() -> str | None:
    """Return None: it comes with executorch."""
    return None


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return the quantizer whose quantize and dequantize nodes the quantized kernel library runs: XNNPACK's.

    What moves values runs in float32 between roundings: there is nothing to gain by rounding before it.
    """
    from edgec.delegates.xnnpack import symmetric
    from edgec.upstream.clamped_ranges import ranges_behind_clamps

    return ranges_behind_clamps(symmetric(scheme))


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return none: every operator stays a kernel call."""
    return []


def steps(precision: str, options: Options) -> Steps:
    """Return nothing beyond ExecuTorch's own steps."""
    return Steps()


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Never comes to be called: the artifact runs here."""
    raise AssertionError("the artifact itself runs here")
