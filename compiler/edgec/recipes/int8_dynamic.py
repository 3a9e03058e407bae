"""The dynamic int8 recipe: 8-bit weights, and activations whose range is taken anew at each inference (PT2E)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.recipes.linear_layers import brings_nothing, operator_kind
from edgec.recipes.submodules import asked

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "8-bit integers, ranges taken at each inference; no calibration data, for linear layers above all"
OPTIONS: Json = {
    "type": "object",
    "title": "int8-dynamic",
    "additionalProperties": False,
    "properties": {
        "convolutions": {
            "type": "boolean",
            "title": "Convolutions as well",
            "description": "Quantize 2-D convolutions too, depthwise ones excepted: a smaller file, not a faster one.",
            "default": True,
        },
    },
}
NEEDS: tuple[str, ...] = ()
PRECISION = "int8"
NEEDS_DATA: tuple[str, ...] = ()
OPERATORS: tuple[str, ...] = ("linear", "convolution")
FEATURES = {"aarch64": {"asimddp": "dot-product instructions"}}

# Small networks came to 40 to 53 dB, a MobileNetV2 to 38. The graph takes one range for all tokens, XNNPACK one for each:
# 42 dB between the two in a small encoder.
LIMITS = {
    "exported": Limit(sqnr=90.0, relative_error=1e-4, agreement=0.99),
    "quantized": Limit(sqnr=15.0, relative_error=0.5, agreement=0.8),
    "pte": Limit(sqnr=20.0, relative_error=0.3, agreement=0.9),
    "total": Limit(sqnr=15.0, relative_error=0.5, agreement=0.8),
}
TOLERANCE = (1e-6, 0.05)
"""Golden vectors: ranges are taken from floats, so roundings flip, and depth adds up: ViT-B/16's logits differed by 0.3."""

WITHOUT = {"asimddp": (1e-6, 0.02)}
"""Without dot products the camera's answers were bit-identical on Cortex-A53, A57 and A72; a flipped rounding may come."""


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return the ExportedProgram whose weights are integers and whose activations become so where they are used.

    Raises Failure ``recipe-brings-nothing`` where there is no layer of the kinds asked for.
    """
    import torch
    from executorch.backends.transforms.duplicate_dynamic_quant_chain import DuplicateDynamicQuantChainPass
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    kinds = ("linear", "conv") if options.get("convolutions", True) else ("linear",)
    quantized = asked(material.inputs, lambda node: operator_kind(node).startswith(kinds))
    wanted = Scheme(dynamic=True, quantized=quantized)
    quantizer = delegate.quantizer(wanted, material.delegate_options)
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
    with torch.no_grad():
        prepared(*material.example)  # the observers of the weights look when the graph runs
    converted = convert_pt2e(prepared)
    # Two layers that read one tensor must not share its range: XNNPACK then computes something else, or fails to run.
    DuplicateDynamicQuantChainPass()(converted)
    if not any("choose_qparams" in str(node.target) for node in converted.graph.nodes):
        found = {operator_kind(node) for node in program.graph.nodes}
        raise _nothing(any(kind.startswith("conv") for kind in found), kinds)
    return torch.export.export(converted, material.example, dynamic_shapes=material.graph_dynamic)


def _nothing(convolutional: bool, kinds: tuple[str, ...]) -> Any:
    if convolutional and "conv" not in kinds:
        hint = "int8 (with calibration data) takes convolutions, so does this recipe with `convolutions: true`"
        return brings_nothing("int8-dynamic", "it has convolutions and no linear layer", hint)
    return brings_nothing("int8-dynamic", "it has no layer that a delegate takes in 8 bits", "use fp32 or fp16")
