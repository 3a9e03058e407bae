"""Batched matrix products over three axes: the decomposition at lowering expands their operands by portable calls."""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls, shaped, value

SUMMARY = "batched matrix products as bmm, without operands expanded to the shape that they have"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace every ``matmul`` of equal batches; return the reshapes that came in their stead."""
    import torch

    found = []
    for node in calls(program, torch.ops.aten.matmul.default):
        left, right = node.args
        if value(left).dim() < 3 or value(left).shape[:-2] != value(right).shape[:-2] or not (shaped(left) and shaped(right)):
            continue
        writer = Writer(program, node)
        found.append(product(writer, left, right))
        writer.instead(found[-1])
    return found


def product(writer: Writer, left: Any, right: Any) -> Any:
    """Return the product of ``left`` [..., n, m] and ``right`` [..., m, k], equal in all but the last two axes."""
    import torch

    aten, batch = torch.ops.aten, list(value(left).shape[:-2])
    if len(batch) == 1:
        return writer.call(aten.bmm.default, left, right)
    flat = [writer.call(aten.reshape.default, item, [-1, *value(item).shape[-2:]]) for item in (left, right)]
    made = writer.call(aten.bmm.default, *flat)
    return writer.call(aten.reshape.default, made, [-1, *batch[1:], *value(made).shape[-2:]])
