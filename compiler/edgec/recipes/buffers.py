"""Constants that a recipe adds to a graph: each under a name of its own, one for all uses of the same values."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def buffered(graph_module: Any, name: str, value: torch.Tensor) -> Any:
    """Return a node that gives ``value``, a buffer called like ``name``; what holds the same values already is taken again.

    ``fc.1`` and ``fc_1`` ask for one name: whoever comes second gets another.
    """
    flat = name.replace(".", "_")
    for wanted in chain([flat], (f"{flat}_{number}" for number in count(1))):
        if not hasattr(graph_module, wanted):
            graph_module.register_buffer(wanted, value)
        if _same(getattr(graph_module, wanted), value):
            return graph_module.graph.get_attr(wanted)
    raise AssertionError("numbers do not end")


def _same(held: Any, value: torch.Tensor) -> bool:
    import torch

    return held is value or (isinstance(held, torch.Tensor) and held.dtype is value.dtype and torch.equal(held, value))
