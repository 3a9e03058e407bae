"""The static int8 recipe: weights and activations in 8 bits, their ranges observed on calibration data (PT2E)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.recipes.submodules import asked

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "8-bit integers, static ranges from calibration data"
OPTIONS: Json = {
    "type": "object",
    "title": "int8",
    "additionalProperties": False,
    "properties": {
        "per_channel": {
            "type": "boolean",
            "title": "Scale per output channel",
            "description": "One scale for each output channel, not one for the whole weight.",
            "default": True,
        },
        "observer": {
            "enum": ["histogram", "min-max"],
            "title": "How ranges are observed",
            "description": "histogram leaves out outliers where that lessens the squared error; min-max keeps all that was "
            "seen, and calibrates faster.",
            "default": "histogram",
        },
    },
}
NEEDS: tuple[str, ...] = ()
PRECISION = "int8"
NEEDS_DATA: tuple[str, ...] = ("calibration",)
OPERATORS: tuple[str, ...] = ("convolution", "linear", "add", "mul", "cat", "adaptive_avg_pool2d")
FEATURES = {"aarch64": {"asimddp": "dot-product instructions"}}

# Images calibrated in the wrong range gave 4 dB, healthy convolutional networks 15 to 35 dB. The artifact adds biases
# as int32 where the quantized graph adds floats; the roundings that flip spread with depth: 64 dB after one layer of
# MobileNetV2, 25 dB after nine, 30 dB at the end, no accuracy lost.
LIMITS = {
    "exported": Limit(sqnr=90.0, relative_error=1e-4, agreement=0.99),
    "quantized": Limit(sqnr=10.0, relative_error=0.75, agreement=0.5),
    "pte": Limit(sqnr=15.0, relative_error=0.5, agreement=0.8),
    "total": Limit(sqnr=10.0, relative_error=0.75, agreement=0.5),
}
TOLERANCE = (1e-6, 0.02)
"""Golden vectors: bit-identical on every CPU seen where all is integer; operators left in float may flip a rounding."""

WITHOUT: Mapping[str, tuple[float, float]] = {}


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return the ExportedProgram with quantize and dequantize nodes; the calibration data are run once."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    scheme = Scheme(
        per_channel=options.get("per_channel", True),
        observer=options.get("observer", "histogram"),
        quantized=asked(material.inputs),
    )
    quantizer = delegate.quantizer(scheme, material.delegate_options)
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
    with torch.no_grad():
        for inputs in material.calibration():
            prepared(*inputs)
    converted = convert_pt2e(prepared, fold_quantize=delegate.FOLDS)
    return torch.export.export(converted, material.example, dynamic_shapes=material.graph_dynamic)
