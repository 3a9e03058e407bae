"""The mean over a picture as XNNPACK's global average pooling, which keeps the axes that it has averaged over."""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls, value

SUMMARY = "the mean over height and width, keeping both axes and then dropping them"
DELEGATES: tuple[str, ...] = ("xnnpack",)


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace every mean over the last two of four axes that drops them; return the reshapes that came in their stead."""
    import torch

    aten, found = torch.ops.aten, []
    for node in calls(program, aten.mean.dim):
        given, dims = node.args[0], node.args[1] or []
        kept = len(node.args) > 2 and node.args[2]
        if kept or node.kwargs.get("dtype") or value(given).dim() != 4 or sorted(dim % 4 for dim in dims) != [2, 3]:
            continue
        writer, channels = Writer(program, node), value(node).shape[1]
        if isinstance(channels, int):
            pooled = writer.call(aten.mean.dim, given, [2, 3], True)
            found.append(writer.call(aten.reshape.default, pooled, [-1, channels]))
            writer.instead(found[-1])
    return found
