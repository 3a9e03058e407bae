"""Conversions between float16 and float32 inside the XNNPACK delegate, which has the operator and is not given it.

XNNPACK's ``convert`` goes both ways, and ExecuTorch's runtime passes it on for quantization. But ``ToDimOrderCopyConfig``
(ExecuTorch 1.5.1, backends/xnnpack/partition/config/generic_node_configs.py) refuses a copy that changes the dtype, and
there is no visitor that would serialize one: a float16 model with float32 at its ends leaves two portable calls outside,
and those bring 8.7 MB of kernel library with them. The copy keeps its own name on the way (``DimOrderOpsRevertPass``
would make it ``aten._to_copy``, by which the layout pass means a change of layout).
Goes away when the partitioner takes such copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TARGET = "dim_order_ops._to_dim_order_copy.default"


@contextmanager
def conversions_delegated() -> Iterator[None]:
    """Inside it, XNNPACK takes copies from float16 to float32 and back."""
    from executorch.backends.xnnpack.operators.node_visitor import _node_visitor_dict
    from executorch.backends.xnnpack.partition.config.generic_node_configs import ToDimOrderCopyConfig
    from executorch.exir.passes.memory_format_ops_pass import DimOrderOpsRevertPass

    config: Any = ToDimOrderCopyConfig
    revert: Any = DimOrderOpsRevertPass
    visitors: dict[str, Any] = _node_visitor_dict
    checked, kept = config.check_constraints, revert.call_operator
    config.check_constraints, revert.call_operator = _checked(checked), _kept(revert, kept)
    visitors[TARGET] = _visitor()
    try:
        yield
    finally:
        config.check_constraints, revert.call_operator = checked, kept
        del visitors[TARGET]


def _checked(genuine: Any) -> Any:
    def check_constraints(self: Any, node: Any, program: Any) -> bool:
        given, made = node.args[0].meta["val"], node.meta["val"]
        if _converts(given.dtype, made.dtype) and given.dim_order() == made.dim_order():
            return bool(self.check_common_constraints(node, program))
        return bool(genuine(self, node, program))

    return check_constraints


def _kept(kind: Any, genuine: Any) -> Any:
    def call_operator(self: Any, operator: Any, args: Any, kwargs: Any, meta: Any) -> Any:
        copies = getattr(operator, "__name__", "") == TARGET and kwargs.get("dtype") is not None
        if copies and _converts(args[0].to_tensor().dtype, kwargs["dtype"]):
            return super(kind, self).call_operator(operator, args, kwargs, meta)
        return genuine(self, operator, args, kwargs, meta)

    return call_operator


def _converts(given: Any, made: Any) -> bool:
    import torch

    return {given, made} == {torch.float16, torch.float32}


def _visitor() -> Any:
    from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor
    from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import XNNConvert, XNode

    class Conversion(NodeVisitor):  # type: ignore[misc]
        def define_node(self, node: Any, xnn_graph: Any, vals_to_ids: Any, debug_handle: int) -> None:
            self.define_nodes_tensor_inputs_outputs(node, xnn_graph, vals_to_ids)
            ids = {"input_id": vals_to_ids[node.args[0]], "output_id": vals_to_ids[node]}
            xnn_graph.xnodes.append(XNode(xnode_union=XNNConvert(**ids, flags=0), debug_handle=debug_handle))

    return Conversion
