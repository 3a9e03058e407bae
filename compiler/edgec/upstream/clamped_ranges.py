"""The range of a convolution before a ReLU6 is observed behind it: XNNPACK's quantizer knows the pattern for ReLU alone.

``_do_annotate_conv_relu`` and ``_annotate_linear_relu`` (ExecuTorch 1.5.1, ``is_relu_node``) pass over hardtanh, which is what
ReLU6 exports to. Its input's range is then observed, and shared: what lies below 0 and above 6 takes up as much of the 256
steps as it is wide, and is cut off a moment later. That is up to half of them. XNNPACK fuses the two all
the same; the partitioner and FuseActivationPass know hardtanh. tests/torch/test_clamped_ranges.py shows both.
Goes away when ``is_relu_node`` takes hardtanh and relu6.
"""

from __future__ import annotations

import unittest.mock
from typing import Any


def ranges_behind_clamps(quantizer: Any) -> Any:
    """Return the XNNPACKQuantizer, changed so that a clamp alone behind a convolution or linear layer is observed for both."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer

    module: Any = xnnpack_quantizer
    genuine, propagate = quantizer.annotate, module.propagate_annotation

    def moved_and_propagated(model: Any) -> None:
        asked = quantizer.filter_fn
        for node in model.graph.nodes:
            if node.op == "call_function" and node.target in _clamps() and (asked is None or asked(node)):
                _observe(node)
        propagate(model)

    def annotate(model: Any) -> Any:
        with unittest.mock.patch.object(module, "propagate_annotation", moved_and_propagated):
            return genuine(model)

    quantizer.annotate = annotate
    return quantizer


def _observe(clamp: Any) -> None:
    """Take the range of ``clamp`` for that of the call before it, which has it to itself and can be fused with it."""
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec

    before = clamp.args[0]
    annotation = before.meta.get("quantization_annotation")
    if before.target not in _fused() or len(before.users) != 1 or annotation is None:
        return
    if not isinstance(annotation.output_qspec, QuantizationSpec):
        return
    clamp.meta["quantization_annotation"] = QuantizationAnnotation(output_qspec=annotation.output_qspec, _annotated=True)
    annotation.output_qspec = None


def _clamps() -> tuple[Any, ...]:
    import torch

    aten = torch.ops.aten
    return (aten.hardtanh.default, aten.hardtanh_.default, aten.relu6.default, aten.relu6_.default)


def _fused() -> tuple[Any, ...]:
    """What XNNPACK's partitioner takes a clamp with; a batch norm is part of the convolution before it."""
    import torch

    aten = torch.ops.aten
    return (
        aten.conv1d.default,
        aten.conv2d.default,
        aten.conv2d.padding,
        aten.convolution.default,
        aten.conv_transpose2d.input,
        aten.linear.default,
        aten.batch_norm.default,
    )
