"""The float32 recipe: the model as it was trained, exported and lowered without a change of precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "32-bit floats, as trained"
OPTIONS: Json = {"type": "object", "title": "fp32", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
PRECISION = "fp32"
NEEDS_DATA: tuple[str, ...] = ()
OPERATORS: tuple[str, ...] = ()
FEATURES: Mapping[str, Mapping[str, str]] = {}

# Export replays the same kernels; XNNPACK sums in another order, which moved MobileNetV2 by 1.5e-7 of its outputs.
LIMITS = {
    "exported": Limit(sqnr=90.0, relative_error=1e-4, agreement=0.99),
    "pte": Limit(sqnr=70.0, relative_error=1e-3, agreement=0.99),
    "total": Limit(sqnr=70.0, relative_error=1e-3, agreement=0.99),
}
TOLERANCE = (1e-6, 1e-4)
"""Golden vectors: x86-64 and every emulated Arm CPU differed by at most 1.1e-5, on the camera by 3e-7 of its outputs."""

WITHOUT: Mapping[str, tuple[float, float]] = {}


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return ``program`` itself: there is nothing to quantize."""
    return program
