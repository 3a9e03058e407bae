"""A roll as two slices in the other order: the decomposition at lowering gathers by an index that it computes each time."""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls, shaped, value
from edgec.rewrites.memory import untouched

SUMMARY = "rolls as slices and a concatenation"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace every ``roll`` along named axes; return the concatenations that came in their stead."""
    import torch

    aten, found = torch.ops.aten, []
    for node in calls(program, aten.roll.default):
        made, shifts, dims = node.args[0], node.args[1], node.args[2] if len(node.args) > 2 else []
        if not dims or not shaped(made) or not value(made).is_floating_point():
            continue
        whole = all(-shift % value(made).shape[dim] == 0 for shift, dim in zip(shifts, dims, strict=True))
        if whole and not untouched(node):  # a copy, of which one is read after the other has changed
            continue
        writer = Writer(program, node)
        for shift, dim in zip(shifts, dims, strict=True):
            size = value(made).shape[dim]
            start = -shift % size
            if start:
                halves = [writer.call(aten.slice.Tensor, made, dim, *ends) for ends in ((start, size), (0, start))]
                made = writer.call(aten.cat.default, halves, dim)
        writer.instead(made)
        found.append(made)
    return found
