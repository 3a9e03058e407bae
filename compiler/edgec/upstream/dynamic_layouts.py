"""A dynamically quantized convolution reads its own input in XNNPACK's order, not the whole network's input.

``ChannelsLastTaggedReshapePass.input_to_nhwc`` (ExecuTorch 1.5.1, backends/xnnpack/_passes) looks for the tensor whose
range is taken, to bring it into channels-last order. It follows first arguments until there are none: past that tensor,
through every layer before it, to the graph's first input or a concatenation, and turns that around for all its users.
Where a permute, a view or a slice of channels lies on the way (a picture's planes, a channel shuffle), the artifact
fails to run or answers something else. Here the tensor before the quantization is copied, and the one chain of range,
quantization and dequantization reads the copy.
Goes away when that loop ends at the quantization's own input; tests/torch/test_dynamic_branches.py shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def ranges_of_own_input() -> Iterator[None]:
    """Inside it, XNNPACK's layout pass turns around what a dynamic quantization reads, and that alone."""
    from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import ChannelsLastTaggedReshapePass
    from executorch.backends.xnnpack.utils.quant_utils import is_dequant, is_dynamic_qdq

    kind: Any = ChannelsLastTaggedReshapePass
    genuine = kind.input_to_nhwc

    def input_to_nhwc(self: Any, graph_module: Any, input_node: Any, target_node: Any) -> None:
        if is_dequant(input_node) and is_dynamic_qdq(input_node):
            _turned(self, graph_module, input_node)
        else:
            genuine(self, graph_module, input_node, target_node)

    kind.input_to_nhwc = input_to_nhwc
    try:
        yield
    finally:
        kind.input_to_nhwc = genuine


def _turned(layouts: Any, graph_module: Any, dequantized: Any) -> None:
    """Let the chain that ends in ``dequantized`` read its input in channels-last order; the copy is made once."""
    import torch
    from executorch.exir.dialects._ops import ops

    quantized = dequantized.args[0]
    source = quantized.args[0]
    if layouts.is_nhwc_node(source):
        return
    copy = source.meta.get(layouts.PARTNER_NODE)
    if copy is None:
        with graph_module.graph.inserting_after(source):
            copy = layouts.create_call_function_node(
                graph_module=graph_module,
                target=ops.edge.aten._to_copy.default,
                args=(source,),
                memory_format=torch.channels_last,
            )
        layouts.mark_as_nhwc_node(copy)
        layouts.make_partners(source, copy)
    ranges = {argument.args[0] for argument in quantized.args[1:3]}
    for node in (*ranges, quantized):
        node.replace_input_with(source, copy)
