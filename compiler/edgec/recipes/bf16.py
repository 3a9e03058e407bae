"""The bf16 recipe: linear layers in bfloat16, whose range is float32's, and everything else in float32."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.recipes.buffers import buffered
from edgec.recipes.linear_layers import (
    LinearLayer,
    brings_nothing,
    linear_layers,
    operator_kind,
    without_unused,
)

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "bfloat16 in linear layers, 32-bit floats elsewhere"
OPTIONS: Json = {"type": "object", "title": "bf16", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
PRECISION = "bf16"
NEEDS_DATA: tuple[str, ...] = ()
OPERATORS: tuple[str, ...] = ("linear",)
FEATURES = {
    "aarch64": {"bf16": "bf16 arithmetic"},
    "x86_64": {"avx512_bf16": "bf16 arithmetic to rely on"},
}

# bfloat16 carries 8 bits (50 dB a rounding); networks of three linear layers and small encoders came to 45 to 53 dB.
LIMITS = {
    "exported": Limit(sqnr=90.0, relative_error=1e-4, agreement=0.99),
    "quantized": Limit(sqnr=25.0, relative_error=0.1, agreement=0.9),
    "pte": Limit(sqnr=25.0, relative_error=0.1, agreement=0.9),
    "total": Limit(sqnr=25.0, relative_error=0.1, agreement=0.9),
}
TOLERANCE = (1e-5, 0.05)
"""Golden vectors: CPUs with bfloat16 arithmetic round the sums of products elsewhere than those without."""

WITHOUT: Mapping[str, tuple[float, float]] = {}

ELEMENTWISE = ("relu", "relu_", "gelu", "sigmoid", "tanh", "hardtanh", "hardtanh_", "hardswish", "hardswish_")
"""Functions that XNNPACK runs in bfloat16 as well: between two linear layers they save a conversion there and back.

Convolutions, softmax and matrix products of two activations lower in bfloat16 and then fail when the artifact is loaded;
the portable layer norm is wrong (7 dB over 256 elements). Measured with ExecuTorch 1.5.1; tests/torch/test_recipe_traps.py.
"""


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return the ExportedProgram with bfloat16 linear layers. Raises Failure ``recipe-brings-nothing`` without any."""
    import torch

    graph_module = program.module(check_guards=False)
    layers = linear_layers(graph_module)
    if not layers:
        raise brings_nothing("bf16", "it has no linear layer", "fp16 takes convolutions and everything else")
    for layer in layers:
        _narrow(graph_module, layer)
    _join(graph_module.graph)
    return torch.export.export(without_unused(graph_module), material.example, dynamic_shapes=material.graph_dynamic)


def _narrow(graph_module: Any, layer: LinearLayer) -> None:
    """Put one linear layer, weight and bias, in bfloat16 between two conversions."""
    import torch

    graph, node = graph_module.graph, layer.node
    with graph.inserting_before(node):
        arguments = [graph.call_function(torch.ops.aten.to.dtype, (node.args[0], torch.bfloat16))]
        for name in [argument.target for argument in node.args[1:] if argument is not None]:
            value = operator.attrgetter(name)(graph_module).detach().to(torch.bfloat16)
            arguments.append(buffered(graph_module, f"{name}.bf16", value))
    with graph.inserting_after(node):
        wide = graph.call_function(torch.ops.aten.to.dtype, (node, torch.float32))
    node.replace_all_uses_with(wide, delete_user_cb=lambda user: user is not wide)
    node.args = tuple(arguments)


def _join(graph: Any) -> None:
    """Leave out the conversions to float32 and back around nothing, or around a function that stays in bfloat16."""
    import torch

    for wide in [node for node in graph.nodes if _converts(node, torch.float32)]:
        for user in list(wide.users):
            if _converts(user, torch.bfloat16):
                user.replace_all_uses_with(wide.args[0])
            elif operator_kind(user) in ELEMENTWISE and all(_converts(item, torch.bfloat16) for item in user.users):
                user.replace_input_with(wide, wide.args[0])
                for narrow in list(user.users):
                    narrow.replace_all_uses_with(user)


def _converts(node: Any, dtype: Any) -> bool:
    import torch

    return bool(node.target is torch.ops.aten.to.dtype and node.args[1] is dtype)
