"""Means as XNNPACK's global average pooling, which takes four axes and keeps the two that it has averaged over."""

from __future__ import annotations

import math
from typing import Any

from edgec.rewrites.graph import PROVENANCE, Writer, calls, shaped, value

SUMMARY = "means over any axes as those over height and width"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace every mean that XNNPACK would leave; return the reshapes that came in their stead."""
    import torch

    found = []
    for node in calls(program, torch.ops.aten.mean.dim):
        given, dims = node.args[0], node.args[1] or []
        if not shaped(given) or not (rank := value(given).dim()):
            continue
        over = sorted(dim % rank for dim in dims) or list(range(rank))
        keeps = len(node.args) > 2 and bool(node.args[2])
        if value(given).dtype != value(node).dtype or (rank == 4 and over == [2, 3] and keeps):
            continue
        found.append(_pooled(Writer(program, node), given, over))
    for node in calls(program, torch.ops.aten.adaptive_avg_pool2d.default):
        if not value(node.args[0]).is_contiguous():
            found.append(_contiguous(program, node))
    return found


def _pooled(writer: Writer, given: Any, over: list[int]) -> Any:
    """Bring the axes to average over to the end, make a picture of them with the first axis as its batch, and pool it."""
    import torch

    aten, shape = torch.ops.aten, list(value(given).shape)
    kept = [dim for dim in range(len(shape)) if dim not in over]
    if [*kept, *over] != list(range(len(shape))):
        given = writer.call(aten.permute.default, given, [*kept, *over])
    picture = [-1, math.prod(shape[dim] for dim in kept[1:]), math.prod(shape[dim] for dim in over), 1]
    if len(shape) != 4 or over != [2, 3]:
        given = writer.call(aten.reshape.default, given, picture)
    made = writer.call(aten.mean.dim, given, [2, 3], True)
    result = list(value(writer.place).shape)
    if 0 in kept:
        result[0] = -1  # as many rows as there are, which calibration may have more of
    made = writer.call(aten.reshape.default, made, result)
    writer.instead(made)
    return made


def _contiguous(program: Any, node: Any) -> Any:
    """Pool planes that lie as the runtime's do: of others, the decomposition makes a strided copy of the mean."""
    import torch

    given = node.args[0]
    copy = Writer(program, node).call(torch.ops.aten.clone.default, given, memory_format=torch.contiguous_format)
    # Quantizers take all calls of a pooling module for the pooling.
    copy.meta |= {key: item for key, item in given.meta.items() if key in PROVENANCE}
    node.args = (copy, *node.args[1:])
    node.meta["val"] = value(node).contiguous()
    return copy
