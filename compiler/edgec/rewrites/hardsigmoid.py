"""Hard sigmoid as ``hardtanh(x + 3, 0, 6) / 6`` with float constants: the decomposition at lowering has integer ones.

ExecuTorch 1.5.1 turns those into float tensors on every inference, by a portable call each: 18 in MobileNetV3 small,
which bring the kernel library with them. Subtraction and division are what no quantizer annotates, so that a quantized
graph computes the function in float, as before.
"""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls
from edgec.rewrites.memory import private

SUMMARY = "hard sigmoid without constants that are converted on every inference"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace every ``hardsigmoid``, less those in place whose memory others read; return the divisions in their stead."""
    import torch

    aten, found = torch.ops.aten, []
    for node in calls(program, aten.hardsigmoid.default, aten.hardsigmoid_.default):
        if not private(node):
            continue
        writer = Writer(program, node)
        raised = writer.call(aten.sub.Tensor, node.args[0], -3.0)
        found.append(writer.call(aten.div.Tensor, writer.call(aten.hardtanh.default, raised, 0.0, 6.0), 6.0))
        writer.instead(found[-1])
    return found
