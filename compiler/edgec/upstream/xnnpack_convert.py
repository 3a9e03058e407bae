"""float32 ↔ float16 conversion inside XNNPACK: a half-precision model with float32 ends needs no kernel library then.

ExecuTorch 1.5.1's XNNPACK partitioner refuses ``_to_dim_order_copy`` that changes the dtype ("not supported" in
generic_node_configs.py), although XNNPACK converts between the two floats (``xnn_define_convert``) and the serializer
knows the node (XNNConvert). Left outside, the two conversions bring the whole kernel library along: 8.7 MB on aarch64
for a model of a few. tests/torch/test_upstream.py holds that the program answers the same with and without it.
Goes away when ``ToDimOrderCopyConfig`` takes dtype conversions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def partition_configs() -> list[Any]:
    """Return ExecuTorch's partition configs, the one for copies replaced by one that takes float conversions too."""
    import torch
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
    from executorch.backends.xnnpack.partition.config.generic_node_configs import ToDimOrderCopyConfig

    floats = {torch.float32, torch.float16}

    class CopyOrConvert(ToDimOrderCopyConfig):  # type: ignore[misc]
        def check_constraints(self, node: Any, ep: Any) -> bool:
            before, after = node.all_input_nodes[0].meta["val"], node.meta["val"]
            if {before.dtype, after.dtype} == floats and before.dim_order() == after.dim_order():
                return bool(self.check_common_constraints(node, ep))
            return bool(super().check_constraints(node, ep))

    return [CopyOrConvert if config is ToDimOrderCopyConfig else config for config in ALL_PARTITIONER_CONFIGS]


@contextmanager
def conversions() -> Iterator[None]:
    """Inside it, XNNPACK's serializer writes a copy that changes the dtype as a conversion, any other as before."""
    from executorch.backends.xnnpack.operators import node_visitor

    visitors: Any = node_visitor._node_visitor_dict
    genuine = visitors["aten._to_copy.default"]
    visitors["aten._to_copy.default"] = _visitor(genuine)
    try:
        yield
    finally:
        visitors["aten._to_copy.default"] = genuine


def _visitor(genuine: Any) -> Any:
    from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import XNNConvert, XNode

    class Convert(genuine):  # type: ignore[misc]
        def define_node(self, node: Any, xnn_graph: Any, vals_to_ids: dict[Any, int], debug_handle: int) -> None:
            source = node.all_input_nodes[0]
            if source.meta["val"].dtype == node.meta["val"].dtype:
                super().define_node(node, xnn_graph, vals_to_ids, debug_handle)
                return
            self.define_tensor(source, xnn_graph, vals_to_ids)
            self.define_tensor(node, xnn_graph, vals_to_ids)
            convert = XNNConvert(input_id=vals_to_ids[source], output_id=vals_to_ids[node], flags=0)
            xnn_graph.xnodes.append(XNode(xnode_union=convert, debug_handle=debug_handle))

    return Convert
