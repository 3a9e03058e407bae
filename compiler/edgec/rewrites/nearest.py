"""Nearest-neighbour enlargement by whole factors as a transposed convolution with ones: XNNPACK has only the bilinear one."""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls, constant, shaped, value

SUMMARY = "nearest-neighbour enlargement as a transposed convolution with ones"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True: products with one and sums with nothing are exact in every precision."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace every enlargement of pictures by whole factors; return the convolutions that came in their stead."""
    import torch

    aten, found = torch.ops.aten, []
    for node in calls(program, aten.upsample_nearest2d.vec, aten.upsample_nearest2d.default):
        given = node.args[0]
        if not (shaped(given) and shaped(node)) or value(given).dim() != 4 or not value(given).is_floating_point():
            continue
        (channels, *before), after = value(given).shape[1:], value(node).shape[2:]
        factors = [size // old for size, old in zip(after, before, strict=True)]
        if any(size % old for size, old in zip(after, before, strict=True)) or max(factors) == 1:
            continue
        ones = constant(program, torch.ones((channels, 1, *factors), dtype=value(given).dtype), given)
        # One group a channel: each value is copied into its window, and to no other channel.
        writer = Writer(program, node)
        found.append(writer.call(aten.conv_transpose2d.input, given, ones, None, factors, [0, 0], [0, 0], channels))
        writer.instead(found[-1])
    return found
