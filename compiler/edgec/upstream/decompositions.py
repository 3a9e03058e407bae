"""Graphs decomposed once: a decomposition that has nothing left to decompose does not trace the whole graph again.

``to_edge_transform_and_lower`` (ExecuTorch 1.5.1, exir/program/_program.py) runs decompositions once with the operators
that a partitioner wants to keep, and once more without; each traces the graph anew, a tenth of a lowering. It leaves
the second out itself for partitioners without a filter, where the graph holds none of the table's operators. The same
holds with a filter when nothing was changed in between but the names of the operators to keep. The ``.pte`` bytes are
the same, which tests/torch/test_upstream_speed.py holds. Goes away when ``_gen_edge_manager_for_partitioners`` looks
before it decomposes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from edgec.upstream.unchanged import Picture, picture, retargeted, same

KEPT = "EDGE_DO_NOT_DECOMP"
"""The namespace that ExecuTorch moves operators to while they must not be decomposed, and out of which it moves them."""


@contextmanager
def decomposed_once() -> Iterator[None]:
    """Inside it, a program that came out of a decomposition unchanged is not decomposed for operators it does not hold."""
    from torch.export import ExportedProgram

    genuine = ExportedProgram.run_decompositions
    done: WeakKeyDictionary[Any, Picture] = WeakKeyDictionary()

    def run_decompositions(self: Any, decomp_table: Any = None, decompose_custom_triton_ops: bool = False) -> Any:
        before = done.get(self)
        plain = before is not None and decomp_table is not None and not _holds(self, decomp_table)
        if plain and same(before, retargeted(before, picture(self.graph_module), KEPT)):
            return self
        found = genuine(self, decomp_table, decompose_custom_triton_ops)
        done[found] = picture(found.graph_module)
        return found

    ExportedProgram.run_decompositions = run_decompositions
    try:
        yield
    finally:
        ExportedProgram.run_decompositions = genuine


def _holds(program: Any, table: Any) -> bool:
    """Whether the program's graph, or one inside it, calls an operator of the table or is not a plain graph."""
    from torch.fx import GraphModule

    modules = [module for module in program.graph_module.modules() if isinstance(module, GraphModule)]
    return len(modules) > 1 or any(node.target in table for node in program.graph.nodes if node.op == "call_function")
