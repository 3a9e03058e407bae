"""The int4 recipe: 4-bit weights and 8-bit activations, scaled token by token at each inference, in linear layers."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.recipes.buffers import buffered
from edgec.recipes.linear_layers import LinearLayer, brings_nothing, linear_layers, without_unused

if TYPE_CHECKING:
    import torch

    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "4-bit weights in linear layers, 8-bit activations scaled at each inference"
OPTIONS: Json = {
    "type": "object",
    "title": "int4",
    "additionalProperties": False,
    "properties": {
        "group_size": {
            "enum": [32, 64, 128, 256, "channel"],
            "title": "Weights that share a scale",
            "description": "How many neighbouring weights of an output channel share one scale; `channel` is all of them.",
            "default": 32,
        },
    },
}
NEEDS: tuple[str, ...] = ()
PRECISION = "int4"
NEEDS_DATA: tuple[str, ...] = ()
OPERATORS: tuple[str, ...] = ("linear",)
FEATURES = {"aarch64": {"asimddp": "dot-product instructions"}}

# Small networks with random and with trained weights came to 20 to 28 dB; garbage (weight-only) to -74.
LIMITS = {
    "exported": Limit(sqnr=90.0, relative_error=1e-4, agreement=0.99),
    "quantized": Limit(sqnr=8.0, relative_error=0.75, agreement=0.5),
    "pte": Limit(sqnr=25.0, relative_error=0.2, agreement=0.9),
    "total": Limit(sqnr=8.0, relative_error=0.75, agreement=0.5),
}
TOLERANCE = (1e-6, 0.05)
"""Golden vectors: a shallow network hardly differs from CPU to CPU, but ranges are taken from floats, and depth adds up."""

WITHOUT: Mapping[str, tuple[float, float]] = {}

MULTIPLE = 32
"""XNNPACK takes 4-bit weights only where the inputs, and a group, are a multiple of this (ExecuTorch 1.5.1)."""


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return the ExportedProgram whose linear layers compute in integers.

    A layer whose inputs the group size does not divide gets 8-bit weights and a scale per output channel. Raises Failure
    ``recipe-brings-nothing`` where no layer takes 4 bits.
    """
    import torch

    graph_module = program.module(check_guards=False)
    layers = linear_layers(graph_module)
    size = options.get("group_size", 32)
    divisor = MULTIPLE if size == "channel" else int(size)
    four = sum(layer.inputs % divisor == 0 for layer in layers)
    if not four:
        raise _nothing(len(layers), divisor)
    material.record("linear layers", f"{four} with 4-bit weights, {len(layers) - four} with 8-bit ones")
    for layer in layers:
        fits = layer.inputs % divisor == 0
        group = layer.inputs if size == "channel" or not fits else divisor
        _rewrite(graph_module, layer, group, (-8, 7) if fits else (-127, 127))
    return torch.export.export(without_unused(graph_module), material.example, dynamic_shapes=material.graph_dynamic)


def _nothing(layers: int, divisor: int) -> Any:
    if not layers:
        return brings_nothing("int4", "it has no linear layer", "int8 takes convolutions, fp16 everything")
    why = f"none of its {layers} linear layers has inputs that {divisor} divides"
    return brings_nothing("int4", why, "int8-dynamic takes linear layers of any size")


def _rewrite(graph_module: Any, layer: LinearLayer, group: int, bounds: tuple[int, int]) -> None:
    """Give a layer the pattern that XNNPACK takes: its activations and weights quantized and dequantized."""
    import torch
    import torchao.quantization.quant_primitives  # noqa: F401 (registers the operators)

    node = layer.node
    weight, scale, zero = _quantized(layer.weight, group, bounds)
    with graph_module.graph.inserting_before(node):
        parts = [
            buffered(graph_module, f"{layer.name}.{part}", value)
            for part, value in (("integers", weight), ("scales", scale), ("zeros", zero))
        ]
        weights = graph_module.graph.call_function(
            torch.ops.torchao.dequantize_affine.default, (parts[0], [1, group], *parts[1:], torch.int8, *bounds)
        )
        activations = _per_token(graph_module.graph, node.args[0], layer.inputs)
    node.args = (activations, weights, *node.args[2:])


def _quantized(weight: torch.Tensor, group: int, bounds: tuple[int, int]) -> tuple[torch.Tensor, ...]:
    """Return int8-stored integers, float32 scales [outputs, groups] and zeros, which are 0: the mapping is symmetric.

    The largest weight of a group becomes the upper bound. Clipping it for the sake of the others, as torchao does by half
    a step, lessens the weights' squared error and cost a trained perceptron 3 dB at its outputs.
    """
    import torch

    groups = weight.reshape(weight.shape[0], -1, group)
    scales = groups.abs().amax(-1, keepdim=True).clamp(min=1e-9) / bounds[1]
    # XNNPACK keeps these scales in bfloat16: rounded first, the graph computes what the artifact does.
    scales = scales.to(torch.bfloat16).to(torch.float32)
    integers = (groups / scales).round().clamp(*bounds).to(torch.int8)
    return integers.reshape(weight.shape), scales.squeeze(-1), torch.zeros(scales.shape[:2], dtype=torch.int8)


def _per_token(graph: Any, node: Any, inputs: int) -> Any:
    """Return ``node`` in 8 bits and back, with a scale and a zero for each row of ``inputs`` values."""
    import torch

    block = [1] * (node.meta["val"].dim() - 1) + [inputs]
    span = (torch.int8, -128, 127)
    chosen = graph.call_function(
        torch.ops.torchao.choose_qparams_affine.default, (node, "ASYMMETRIC", block, *span, None, None, torch.int8)
    )
    scale, zero = (graph.call_function(operator.getitem, (chosen, index)) for index in (0, 1))
    integers = graph.call_function(torch.ops.torchao.quantize_affine.default, (node, block, scale, zero, *span))
    return graph.call_function(torch.ops.torchao.dequantize_affine.default, (integers, block, scale, zero, *span))
