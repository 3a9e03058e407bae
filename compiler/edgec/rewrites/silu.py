"""SiLU as ``x * sigmoid(x)``: quantizers know the product, not ``silu``, and would leave floats on both sides of it."""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls
from edgec.rewrites.memory import private

SUMMARY = "SiLU as x * sigmoid(x), in integers or in float16"
DELEGATES: tuple[str, ...] = ()
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True for static quantization, and for float16, which is converted to float32 and back at each ``silu``."""
    return static or precision == "fp16"


def rewrite(program: Any) -> list[Any]:
    """Replace every ``silu``, less those in place whose memory others read; return the calls that came in their stead."""
    import torch

    aten, found = torch.ops.aten, []
    for node in calls(program, aten.silu.default, aten.silu_.default):
        if not private(node):
            continue
        writer, given = Writer(program, node), node.args[0]
        found.append(writer.call(aten.mul.Tensor, given, writer.call(aten.sigmoid.default, given)))
        writer.instead(found[-1])
    return found
