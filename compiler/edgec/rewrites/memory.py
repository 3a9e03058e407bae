"""Which nodes of a graph show the same memory, and what writes into it: an exported graph may change tensors in place."""

from __future__ import annotations

import operator
from typing import Any


def storage(tensor: Any) -> int:
    """Return what names the memory of a tensor: the same for all views of it."""
    return int(tensor.untyped_storage()._cdata)


def written(node: Any) -> list[Any]:
    """Return the nodes that the call writes into."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return []
    writes = [argument.alias_info is not None and argument.alias_info.is_write for argument in schema.arguments]
    places = [item for item, writing in zip(node.args, writes, strict=False) if writing]
    return [item for item in places if hasattr(item, "op")]


def roots(node: Any) -> list[Any]:
    """Return the nodes whose memory ``node`` shows: itself where it is no view."""
    if node.op != "call_function" or not _is_view(node):
        return [node]
    return [root for given in node.all_input_nodes for root in roots(given)]


def unwritten(node: Any) -> bool:
    """Return whether no call changes ``node``, or a view of it, in place; what is unknown may."""
    return all(
        user.op != "call_function" or (unwritten(user) if _is_view(user) else _only_reads(user)) for user in node.users
    )


def _is_view(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return node.target is operator.getitem
    return not schema.is_mutable and any(item.alias_info is not None for item in schema.returns)


def _only_reads(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and not schema.is_mutable
