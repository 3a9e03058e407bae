"""The recipe that chooses another one by what the model computes; ``stages/resolve.py`` asks it before the export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.target import Target

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "the recipe that suits the model: int8 for convolutions, int8-dynamic for linear layers, else fp16 or fp32"
OPTIONS: Json = {"type": "object", "title": "auto", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
PRECISION = "auto"
NEEDS_DATA: tuple[str, ...] = ()
OPERATORS: tuple[str, ...] = ()
FEATURES: Mapping[str, Mapping[str, str]] = {}
LIMITS: Mapping[str, Limit] = {}
TOLERANCE = (0.0, 0.0)
WITHOUT: Mapping[str, tuple[float, float]] = {}

TINY = 16_000
"""Parameters: 64 kB in float32. What 8 bits save there is less than what the runtime's libraries vary by."""


def choose(
    work: Mapping[str, int], parameters: int, calibration: bool, runnable: frozenset[str], target: Target
) -> tuple[str, str]:
    """Return the name of a recipe among ``runnable`` and the reason, a sentence without its subject.

    ``work`` holds multiply-accumulates an inference by kind (``convolution``, ``linear``, ``other``); ``calibration``
    says whether there is such data.
    """
    total = sum(work.values())
    if parameters < TINY:
        return "fp32", f"{parameters:,} parameters are too few to be worth a rounding"
    if not total:
        return "fp32", "it multiplies no matrices"
    shares = {kind: macs / total for kind, macs in work.items()}
    kind = max(("convolution", "linear"), key=lambda name: shares.get(name, 0.0))
    noun = {"convolution": "convolutions", "linear": "linear layers"}[kind]
    told = f"{noun} hold {100 * shares.get(kind, 0.0):.0f} % of the multiply-accumulates"
    if kind == "linear" and "int8-dynamic" in runnable:
        return "int8-dynamic", told
    if kind == "convolution" and calibration and "int8" in runnable:
        return "int8", told
    why = f"{told}; {_obstacle(kind, calibration)}"
    if "fp16" in runnable and "asimdhp" in target.features:
        return "fp16", f"{why}, and the CPU computes in half precision (asimdhp)"
    return "fp32", why


def _obstacle(kind: str, calibration: bool) -> str:
    if kind == "convolution" and not calibration:
        return "int8 suits those and needs calibration data, of which there is none"
    return "no recipe with integers that suits those runs on the delegates"


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Never comes to be called: a job quantizes with the recipe that was chosen."""
    raise AssertionError("the recipe auto was not resolved")
