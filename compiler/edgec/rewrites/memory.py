"""Which nodes of a graph show the same memory, and what writes into it: an exported graph may change tensors in place."""

from __future__ import annotations

import operator
from typing import Any

from edgec.rewrites.graph import held


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


def untouched(node: Any) -> bool:
    """Return whether nothing changes what ``node`` gives, nor the memory of its first argument: one may show the other."""
    return unwritten(node) and all(unwritten(root) for root in roots(node.args[0]))


def unchanging(program: Any) -> dict[Any, Any]:
    """Return the placeholders of parameters, buffers and constants that no call writes into, with their tensors."""
    tensors = held(program)
    changed = {storage(tensor) for node, tensor in tensors.items() if not unwritten(node)}
    return {node: tensor for node, tensor in tensors.items() if storage(tensor) not in changed}


def private(node: Any) -> bool:
    """Return whether what a call writes in place is read from the call alone: it may as well give a value of its own."""
    places = written(node)
    if not places:
        return True
    order = {item: position for position, item in enumerate(node.graph.nodes)}
    known, waiting = set[Any](), list(places)
    while waiting:
        seen = waiting.pop()
        if seen in known:
            continue
        known.add(seen)
        if seen.op != "call_function" or any(order[user] > order[node] for user in seen.users):
            return False
        # What it shows, and what shows it.
        waiting += [*written(seen), *roots(seen)]
        waiting += [user for user in seen.users if user is not node and (_is_view(user) or seen in written(user))]
    return True


def _is_view(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return node.target is operator.getitem
    return not schema.is_mutable and any(item.alias_info is not None for item in schema.returns)


def _only_reads(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and not schema.is_mutable
