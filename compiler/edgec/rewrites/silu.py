"""SiLU as ``x * sigmoid(x)``: quantizers know the product, not ``silu``, and would leave floats on both sides of it."""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls

SUMMARY = "SiLU as x * sigmoid(x), which static quantization covers"
DELEGATES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True for statically quantized graphs; a float graph is decomposed so when it is lowered."""
    return static


def rewrite(program: Any) -> list[Any]:
    """Replace every ``silu``; return the calls that came in their stead."""
    import torch

    aten, found = torch.ops.aten, []
    for node in calls(program, aten.silu.default, aten.silu_.default):
        writer, given = Writer(program, node), node.args[0]
        found.append(writer.call(aten.mul.Tensor, given, writer.call(aten.sigmoid.default, given)))
        writer.instead(found[-1])
    return found
