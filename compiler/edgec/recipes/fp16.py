"""The float16 recipe: weights and arithmetic in half precision, float32 at the artifact's inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "16-bit floats inside, 32-bit at the boundary"
OPTIONS: Json = {"type": "object", "title": "fp16", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
PRECISION = "fp16"
NEEDS_DATA: tuple[str, ...] = ()
OPERATORS: tuple[str, ...] = ("all",)
FEATURES = {"aarch64": {"asimdhp": "fp16 arithmetic"}}

# Half precision carries 11 bits (66 dB a rounding); a network that lost a layer to overflow falls under 20 dB.
# Of 16 answers one may be a close call that a rounding decides otherwise: it did at 51 dB.
LIMITS = {
    "exported": Limit(sqnr=30.0, relative_error=0.05, agreement=0.9),
    "pte": Limit(sqnr=30.0, relative_error=0.05, agreement=0.9),
    "total": Limit(sqnr=30.0, relative_error=0.05, agreement=0.95),
}
TOLERANCE = (1e-3, 0.05)
"""Golden vectors: with and without fp16 arithmetic in the chip, MobileNetV2's logits differed by up to 0.27."""

WITHOUT = {"asimdhp": (1e-3, 0.01)}
"""A core without it computes in float32 and rounds at the layers' ends: the camera's answers differed by 2.5e-4 of the
largest on Cortex-A53, A57 and A72, and by 8.5e-4 on an A76, which has it."""


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return ``program`` itself: it was exported from a float16 copy of the model."""
    return program
