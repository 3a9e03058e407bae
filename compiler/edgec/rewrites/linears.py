"""Linear layers as 1 x 1 convolutions over what they are applied to: OpenVINO's int8 kernels for those are the faster ones.

On a processor without VNNI OpenVINO computes an int8 ``FullyConnected`` by a matrix product that is no faster than float32;
its int8 convolution takes half the time. With one thread on AVX2, layers of k inputs and n outputs and back, over 1, 16
and 197 rows, the convolutions' time in that of the linear layers, with what moves rows to planes:

- 128 to 128: 1.03, 1.09, 1.17; 256 to 256: -, 0.97, 1.00
- 192 to 768: -, 0.86, 0.90; 384 to 384: -, 0.79, 0.80; 512 to 512: -, 0.77, 0.71
- 768 to 3072: 0.49, 0.57, 0.54

Between two layers, such as the two of a transformer's block, values stay planes: 12 layers of 768 and 3072 over 197 rows
take 84 ms so, 125 where each moves its own, 240 as linear layers. Float32 gains nothing.
"""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls, constant, shaped, swept, value
from edgec.rewrites.memory import unchanging, unwritten
from edgec.upstream.free_permutes import PLANES

SUMMARY = "linear layers as 1 x 1 convolutions, for which OpenVINO has the faster int8 kernels"
DELEGATES: tuple[str, ...] = ("openvino",)
RECIPES: tuple[str, ...] = ("int8",)

LEAST_WEIGHTS = 1 << 17
"""Layers of fewer weights gain nothing."""


def suits(precision: str, static: bool) -> bool:
    """Return whether activations are quantized: float kernels are as fast either way."""
    return precision == "int8" and static


def rewrite(program: Any) -> list[Any]:
    """Replace linear layers by convolutions; return these."""
    import torch

    aten, weights, found = torch.ops.aten, unchanging(program), list[Any]()
    planes = dict[Any, Any]()  # by the rows that were made of them
    for node in calls(program, aten.linear.default):
        rows, weight, *bias = node.args
        if weight not in weights or len(weight.users) > 1 or not _suits(node, weights[weight]):
            continue
        writer, outputs = Writer(program, node), weights[weight].shape[0]
        given, passed = _planes(writer, rows, planes)
        learnt = weight.name in program.graph_signature.inputs_to_parameters
        kernel = constant(program, weights[weight].detach()[:, :, None, None].contiguous(), weight, learnt)
        found.append(writer.call(aten.conv2d.default, given, kernel, *bias))
        moved = writer.call(aten.permute.default, found[-1], [0, 2, 3, 1])
        made = writer.call(aten.reshape.default, moved, [*value(rows).shape[:-1], outputs])
        planes[made] = found[-1]
        writer.instead(made)
        for step in passed:  # a dropout would stay, as it may draw numbers
            program.graph.erase_node(step)
    if found:
        swept(program)
    return found


def _suits(node: Any, weight: Any) -> bool:
    """Whether the layer gains anything, and is one that a convolution is: a bias is one number an output, and not the rows."""
    rows, _, *bias = node.args
    if weight.numel() < LEAST_WEIGHTS or weight.dim() != 2 or not shaped(node) or not shaped(rows) or node.kwargs:
        return False
    given = [item for item in bias if item is not None]
    return value(node).is_floating_point() and all(value(item).shape == weight.shape[:1] and item is not rows for item in given)


def _planes(writer: Writer, rows: Any, planes: dict[Any, Any]) -> tuple[Any, list[Any]]:
    """``rows``, [..., channels], as [1, channels, 1, rows]; those of a layer before are taken as they are.

    With the calls from there to ``rows``, last first, that are made on planes now.
    """
    import torch

    aten, passed, first = torch.ops.aten, list[Any](), rows
    while first not in planes and _by_itself(first):
        passed.append(first)
        first = first.args[0]
    if first not in planes or not unwritten(first):
        flat = writer.call(aten.reshape.default, rows, [1, 1, -1, value(rows).shape[-1]])
        return writer.call(aten.permute.default, flat, PLANES), []
    given = planes[first]
    for step in reversed(passed):
        given = Writer(writer.program, step).call(step.target, given, *step.args[1:], **step.kwargs)
    return given, passed


def _by_itself(node: Any) -> bool:
    """Whether ``node`` computes each value from one alone, and only one reads it."""
    import torch

    names = ("gelu", "relu", "relu6", "leaky_relu", "elu", "silu", "mish", "hardswish", "hardsigmoid", "hardtanh")
    pointwise = [getattr(torch.ops.aten, name).default for name in (*names, "sigmoid", "tanh", "dropout")]
    return node.target in pointwise and len(node.users) == 1 and unwritten(node)
