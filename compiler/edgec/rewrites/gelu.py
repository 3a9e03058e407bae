"""GELU of float16 in float32, where XNNPACK has it: between conversions that the delegate makes, it stays inside."""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls, value

SUMMARY = "GELU in float32 within float16 graphs"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True for float16."""
    return precision == "fp16"


def rewrite(program: Any) -> list[Any]:
    """Replace every ``gelu`` of float16; return the conversions that came in their stead."""
    import torch

    aten, found = torch.ops.aten, []
    for node in calls(program, aten.gelu.default):
        if value(node).dtype == torch.float16:
            writer = Writer(program, node)
            wide = writer.call(aten.to.dtype, node.args[0], torch.float32)
            made = writer.call(aten.gelu.default, wide, **node.kwargs)
            found.append(writer.call(aten.to.dtype, made, torch.float16))
            writer.instead(found[-1])
    return found
