"""Layer norm of float16 in float32, of operators that XNNPACK takes: the kernel outside is wrong, and says nothing.

ExecuTorch 1.5.1's portable ``native_layer_norm`` sums in float16, which is wrong above some 64 elements. In float32 it
is right and stays: XNNPACK has no layer norm, and what would stand for it takes more instructions (docs/recipes.md).
"""

from __future__ import annotations

import math
from typing import Any

from edgec.rewrites.graph import Writer, calls, constant, held, value

SUMMARY = "layer norm in float32 within float16 graphs"
DELEGATES: tuple[str, ...] = ()
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True for float16."""
    return precision == "fp16"


def rewrite(program: Any) -> list[Any]:
    """Replace every ``layer_norm`` of float16 over known axes; return the calls that came in their stead."""
    import torch

    found = []
    for node in calls(program, torch.ops.aten.layer_norm.default):
        if value(node).dtype == torch.float16 and all(isinstance(size, int) for size in node.args[1]):
            found.append(_normed(program, node))
    return found


def _normed(program: Any, node: Any) -> Any:
    """Means are products with a vector of 1/n, for which XNNPACK has its fastest kernels; any shape goes before."""
    import torch

    aten, writer = torch.ops.aten, Writer(program, node)
    names = ("input", "shape", "weight", "bias", "eps")
    arguments: dict[str, Any] = {"weight": None, "bias": None, "eps": 1e-5, **node.kwargs}
    arguments |= dict(zip(names, node.args, strict=False))
    given, shape, weight, bias, eps = (arguments[name] for name in names)
    count = math.prod(shape)
    ones = constant(program, torch.full((1, count), 1.0 / count), node)
    wide = writer.call(aten.to.dtype, given, torch.float32)
    if len(shape) > 1:
        wide = writer.call(aten.flatten.using_ints, wide, -len(shape), -1)
    centred = writer.call(aten.sub.Tensor, wide, writer.call(aten.linear.default, wide, ones))
    square = writer.call(aten.mul.Tensor, centred, centred)
    spread = writer.call(aten.add.Tensor, writer.call(aten.linear.default, square, ones), float(eps))
    made = writer.call(aten.mul.Tensor, centred, writer.call(aten.rsqrt.default, spread))
    for target, parameter in ((aten.mul.Tensor, weight), (aten.add.Tensor, bias)):
        if parameter is not None:
            made = writer.call(target, made, _wide(program, writer, parameter, count))
    if len(shape) > 1:
        made = writer.call(aten.unflatten.int, made, -1, list(shape))
    made = writer.call(aten.to.dtype, made, torch.float16)
    writer.instead(made)
    return made


def _wide(program: Any, writer: Writer, parameter: Any, count: int) -> Any:
    import torch

    tensor = held(program).get(parameter)
    if tensor is not None:
        return constant(program, tensor.detach().float().reshape(count), writer.place)
    wide = writer.call(torch.ops.aten.to.dtype, parameter, torch.float32)
    return writer.call(torch.ops.aten.reshape.default, wide, [count])
