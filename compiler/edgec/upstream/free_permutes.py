"""A picture's pixels that become planes for convolutions alone are left where they are.

XNNPACK computes convolutions and poolings on pixels, [batch, height, width, channels]. A program that permutes pixels
into planes for one moves every value twice: by the permute, and by the transpose that
``ChannelsLastTaggedReshapePass`` (ExecuTorch 1.5.1, backends/xnnpack/_passes) puts before the convolution. Here such a
permute's result is marked as lying in that order, as the pass marks a convolution's, and ``op_permute.py``'s visitor,
which takes both sides for the same order, gives it no node of its own: what reads the planes reads the pixels.
Goes away when the pass cancels a permute against its own transpose; tests/torch/test_free_permutes.py shows it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

PLANES = [0, 3, 1, 2]
"""The order of axes that makes planes, [batch, channels, height, width], of pixels."""


def makes_planes(axes: Sequence[int]) -> bool:
    """Return whether a permute in that order, which may count axes from the end, makes planes of pixels."""
    return len(axes) == len(PLANES) and [axis % len(PLANES) for axis in axes] == PLANES


@contextmanager
def pixels_left_in_place() -> Iterator[None]:
    """Inside it, XNNPACK's layout pass and its serializer let pixels stay that only convolutions and the like read."""
    import executorch.backends.xnnpack.operators  # noqa: F401 (registers the visitors)
    from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import ChannelsLastTaggedReshapePass
    from executorch.backends.xnnpack.operators.node_visitor import _node_visitor_dict

    layouts: Any = ChannelsLastTaggedReshapePass
    visitor: Any = _node_visitor_dict["aten.permute_copy.default"]
    asked, defined = layouts.requires_nchw_inputs, visitor.define_node

    def requires_nchw_inputs(self: Any, node: Any) -> bool:
        if not (_makes_planes(node) and layouts.is_nchw_node(node.args[0]) and _read_as_pixels(self, node)):
            return bool(asked(self, node))
        self.mark_as_nhwc_node(node)
        return False

    def define_node(self: Any, node: Any, graph: Any, numbers: Any, debug_handle: int) -> None:
        free = _makes_planes(node) and layouts.is_nhwc_node(node) and not layouts.is_nhwc_node(node.args[0])
        if free and _left_out(self, node, graph, numbers):
            return
        defined(self, node, graph, numbers, debug_handle)
        if free:
            graph.xnodes[-1].xnode_union.perm = [0, 1, 2, 3]

    layouts.requires_nchw_inputs, visitor.define_node = requires_nchw_inputs, define_node
    try:
        yield
    finally:
        layouts.requires_nchw_inputs, visitor.define_node = asked, defined


def _left_out(visitor: Any, node: Any, graph: Any, numbers: Any) -> bool:
    """Let the pixels, the same bytes, stand for the planes of ``node``; False where the two differ in their scales."""
    from executorch.backends.xnnpack.operators.quant_params import QuantParams

    pixels = node.args[0]
    given, made = QuantParams.from_inputs(pixels, visitor.exported_program), QuantParams.from_outputs(node)
    if _scale(given) != _scale(made):
        return False
    visitor.define_tensor(pixels, graph, numbers, quant_params=given)
    numbers[node] = numbers[pixels]
    return True


def _scale(quantized: Any) -> tuple[Any, ...] | None:
    return quantized and (quantized.scale, quantized.zp, quantized.dtype)


def _makes_planes(node: Any) -> bool:
    from executorch.exir.dialects._ops import ops

    return node.target == ops.edge.aten.permute_copy.default and makes_planes(node.args[1])


def _read_as_pixels(layouts: Any, node: Any) -> bool:
    """Whether ``node`` is read, through quantization and the ranges that it takes, and only by what computes on pixels."""
    from executorch.backends.xnnpack.utils.quant_utils import is_dequant, is_qparam, is_quant

    def pixels(user: Any) -> bool:
        if user.target is operator.getitem or is_quant(user) or is_dequant(user) or is_qparam(user):
            return _read_as_pixels(layouts, user)
        return bool(layouts.requires_nhwc_input(user)) and user.args[0] is node

    return bool(node.users) and all(user.op == "call_function" and pixels(user) for user in node.users)
