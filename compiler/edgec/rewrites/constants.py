"""What depends on parameters and constants alone, computed once here and not on every inference."""

from __future__ import annotations

import operator
from typing import Any

from edgec.rewrites.graph import constant, held, swept
from edgec.rewrites.memory import storage, written

SUMMARY = "weights and masks that the graph computes from constants alone, folded"
DELEGATES: tuple[str, ...] = ()
RECIPES: tuple[str, ...] = ()

LARGEST = 1 << 20
"""A folded tensor may have this many bytes, or as many as all that it is computed from, whichever is more."""

SHAPED = ("new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like")
"""Operators that take only shape and dtype from their tensor."""


def suits(precision: str, static: bool) -> bool:
    """Return True: no recipe quantizes, and no delegate packs, a weight that the graph computes."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Fold; return the placeholders that hold results, [] where nothing is computed from constants alone."""
    tainted: set[Any] = set()
    while not (folding := _Folding(program, tainted)).settled():
        tainted |= folding.spoilt
    found = []
    for node in folding.frontier():
        holder = constant(program, folding.values[node].detach().clone().contiguous(), node, node in folding.learnt)
        for user in folding.outside(node):
            user.replace_input_with(node, holder)
        found.append(holder)
    if found:
        for node in reversed(folding.values):
            if node.op == "call_function" and not node.users:
                program.graph.erase_node(node)
        swept(program)
    return found


class _Folding:
    """The calls of ``program`` that depend on constants alone, run in their order, changes in place among them.

    Views alias each other here as they do in the graph. A tensor that is changed from outside too, or used outside
    before its last change, or that persists between inferences, must be left alone with all that is made of it: the
    node that made it is in ``spoilt``. Nodes in ``tainted`` are known to be of that kind. What is computed of parameters'
    values, and could have a gradient, is in ``learnt``.
    """

    def __init__(self, program: Any, tainted: set[Any]) -> None:
        self.values: dict[Any, Any] = {node: tensor for node, tensor in held(program).items() if node not in tainted}
        self.spoilt: set[Any] = set()
        self._order = {node: position for position, node in enumerate(program.graph.nodes)}
        self._tainted, self._made, self._changed = tainted, dict[int, Any](), dict[Any, int]()
        self._sources = {node: {node} for node in self.values}
        self.learnt = {node for node in self.values if node.name in program.graph_signature.inputs_to_parameters}
        for node, tensor in self.values.items():
            self._made.setdefault(storage(tensor), node)
        for node in program.graph.nodes:
            if node.op == "call_function":
                self._visit(node)

    def settled(self) -> bool:
        """Return whether nothing more has to be left alone."""
        import torch

        for node, tensor in self.values.items():
            if isinstance(tensor, torch.Tensor) and (maker := self._made[storage(tensor)]) in self._changed:
                last = self._changed[maker]
                if any(self._order[user] < last for user in self.outside(node)) or not self._fits(node):
                    self._spoil(maker)
        return not self.spoilt

    def outside(self, node: Any) -> list[Any]:
        """Return the users of ``node`` that do not depend on constants alone."""
        return [user for user in node.users if user not in self.values]

    def frontier(self) -> list[Any]:
        """Return the calls whose results are needed outside and worth holding."""
        import torch

        return [
            node
            for node, found in self.values.items()
            if node.op == "call_function" and isinstance(found, torch.Tensor) and self.outside(node) and self._fits(node)
        ]

    def _spoil(self, maker: Any) -> None:
        """Leave ``maker`` alone, and with it every other holder of the same memory: weights may be tied."""
        memory = storage(self.values[maker])
        holders = {node for node in self.values if node.op == "placeholder" and storage(self.values[node]) == memory}
        self.spoilt |= {maker, *holders}

    def _fits(self, node: Any) -> bool:
        """A bare transposition of a weight stays: delegates know it, and pack the weight as it is."""
        import torch

        found = self.values[node]
        if not isinstance(found, torch.Tensor) or not self.outside(node):
            return True
        if self._made[storage(found)].op == "placeholder" and not found.is_contiguous():
            return False
        sizes = [_bytes(self.values[source]) for source in self._sources[node]]
        return _bytes(found) <= max(LARGEST, sum(sizes))

    def _visit(self, node: Any) -> None:
        import torch

        known = node not in self._tainted and self._known(node)
        for changed in written(node):
            if changed in self.values:
                maker = self._made[storage(self.values[changed])]
                self._changed[maker] = self._order[node]
                if not known or maker.op == "placeholder":
                    self._spoil(maker)
                    known = False
        if not known or self.spoilt:
            return
        with torch.no_grad():
            found = node.target(*self._given(node.args), **self._given(node.kwargs))
        schema = getattr(node.target, "_schema", None)
        if found is None or (schema is not None and not schema.returns):
            return
        self.values[node] = found
        self._sources[node] = set().union(*(self._sources.get(item, set()) for item in node.all_input_nodes))
        of_learnt = not _only_shaped(node) and any(item in self.learnt for item in node.all_input_nodes)
        if of_learnt and all(_has_gradient(item) for item in torch.utils._pytree.tree_leaves(found)):
            self.learnt.add(node)
        for tensor in torch.utils._pytree.tree_leaves(found):
            self._made.setdefault(storage(tensor), node)

    def _known(self, node: Any) -> bool:
        """Whether the call can be made now: a deterministic ATen operator of known values."""
        import torch

        if node.target is operator.getitem:
            return node.args[0] in self.values
        if getattr(node.target, "namespace", "") != "aten" or torch.Tag.nondeterministic_seeded in node.target.tags:
            return False
        return all(item in self.values for item in node.all_input_nodes) or _only_shaped(node)

    def _given(self, arguments: Any) -> Any:
        import torch

        def real(item: Any) -> Any:
            if item in self.values:
                return self.values[item]
            return torch.zeros(item.meta["val"].shape, dtype=item.meta["val"].dtype)

        return torch.fx.node.map_arg(arguments, real)


def _only_shaped(node: Any) -> bool:
    """Whether the call takes shape and dtype from its tensor, both of them known, and nothing else."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or schema.name.split("::")[-1] not in SHAPED or len(node.all_input_nodes) != 1:
        return False
    return all(isinstance(size, int) for size in node.args[0].meta["val"].shape)


def _has_gradient(item: Any) -> bool:
    import torch

    return isinstance(item, torch.Tensor) and (item.is_floating_point() or item.is_complex())


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())
