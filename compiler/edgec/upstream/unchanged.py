"""Whether a graph is still what it was: compared object by object, which costs a thousandth of running a pass again."""

from __future__ import annotations

from typing import Any, TypeAlias

Picture: TypeAlias = "list[tuple[Any, ...]]"


def picture(graph_module: Any) -> Picture:
    """Return, node by node, the objects that a torch.fx graph is made of: node, target, arguments, value, attribute.

    Two pictures are of the same graph if ``same`` says so; torch.fx replaces these objects when a graph is edited, and
    never changes them in place. Metadata other than the value is not looked at.
    """
    return [
        (node, node.op, node.target, node.args, node.kwargs, node.meta.get("val"), _attribute(graph_module, node))
        for node in graph_module.graph.nodes
    ]


def same(before: Picture | None, after: Picture) -> bool:
    """Whether both pictures show the very same objects in the same order."""
    if before is None or len(before) != len(after):
        return False
    return all(one is other for row, now in zip(before, after, strict=True) for one, other in zip(row, now, strict=True))


def retargeted(before: Picture | None, after: Picture, namespace: str) -> Picture:
    """Return ``after`` with the targets of ``before`` where ``after`` has an operator of that namespace instead."""
    if before is None or len(before) != len(after):
        return after
    return [
        (*now[:2], row[2], *now[3:]) if getattr(now[2], "namespace", None) == namespace else now
        for row, now in zip(before, after, strict=True)
    ]


def _attribute(graph_module: Any, node: Any) -> Any:
    if node.op != "get_attr":
        return None
    found = graph_module
    for name in node.target.split("."):
        found = getattr(found, name, None)
    return found
