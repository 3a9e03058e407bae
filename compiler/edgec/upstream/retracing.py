"""XNNPACK's passes without tracing a graph that none of them has changed, and without checking it again.

Seventeen passes prepare a partition for XNNPACK (ExecuTorch 1.5.1, backends/xnnpack/_passes). Each ends by running the
graph node by node on fake tensors, to renew names and shapes, and is followed and preceded by a check that runs it
again, whether or not the pass found anything to do: a quarter of a lowering. Tracing what was just traced gives the
same graph, and checking it the same verdict. The ``.pte`` bytes are the same, which tests/torch/test_upstream_speed.py
holds. Goes away when these passes return ``modified=False`` where they found nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from edgec.upstream.unchanged import Picture, picture, same

OWN = {"call", "requires", "ensures", "_abc_impl"}
"""What a pass may define and still trace as the base class does; whatever else it overrides takes part in tracing."""


@contextmanager
def retraced_when_changed() -> Iterator[None]:
    """Inside it, the passes of one partition trace and check its graph only when it is another than before."""
    from executorch.backends.xnnpack._passes import XNNPACKPassManager

    genuine = XNNPACKPassManager.transform

    def transform(self: Any) -> Any:
        with _remembered_traces(), _remembered_checks():
            return genuine(self)

    XNNPACKPassManager.transform = transform
    try:
        yield
    finally:
        XNNPACKPassManager.transform = genuine


@contextmanager
def _remembered_traces() -> Iterator[None]:
    from executorch.exir.pass_base import ExportPass, PassResult, _ExportPassBase
    from torch.fx import GraphModule

    genuine = _ExportPassBase.call
    traced: WeakKeyDictionary[Any, Picture] = WeakKeyDictionary()

    def call(self: Any, graph_module: Any) -> Any:
        if _plain(type(self), ExportPass) and graph_module in traced:
            before = picture(graph_module)
            if same(traced[graph_module], before):
                # A module of its own, as tracing would give; the graph is the one that tracing would give again.
                found = GraphModule(graph_module, graph_module.graph)
                found.meta = graph_module.meta.copy()
                traced[found] = before
                return PassResult(found, True)
        result = genuine(self, graph_module)
        traced[result.graph_module] = picture(result.graph_module)
        return result

    _ExportPassBase.call = call
    try:
        yield
    finally:
        _ExportPassBase.call = genuine


def _plain(kind: Any, base: Any) -> bool:
    """Whether a pass traces just as ``base`` does."""
    if not issubclass(kind, base):
        return False
    above = kind.__mro__[: kind.__mro__.index(base)]
    defined = {name for one in above for name in vars(one) if not name.startswith("__")}
    return not any(hasattr(base, name) for name in defined - OWN)


@contextmanager
def _remembered_checks() -> Iterator[None]:
    from torch._export.verifier import Verifier
    from torch.fx import GraphModule

    genuine = Verifier._check_graph_module
    checked: dict[Any, Picture] = {}

    def check(self: Any, graph_module: Any) -> None:
        plain = sum(isinstance(module, GraphModule) for module in graph_module.modules()) == 1
        now = picture(graph_module) if plain else []
        if plain and same(checked.get(type(self)), now):
            return
        genuine(self, graph_module)
        if plain:
            checked[type(self)] = now

    Verifier._check_graph_module = check
    try:
        yield
    finally:
        Verifier._check_graph_module = genuine
