"""Linear layers of an exported graph whose weights are constants: found, given other weights, and asked for in vain."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class LinearLayer:
    """``node`` calls ``aten.linear`` on a constant ``weight`` [outputs, inputs], float32, that is the attribute ``name``.

    Its bias, if it has one, is a constant too.
    """

    node: Any
    name: str
    weight: torch.Tensor

    @property
    def inputs(self) -> int:
        """The number of input features."""
        return int(self.weight.shape[1])


def linear_layers(graph_module: Any) -> list[LinearLayer]:
    """Return the linear layers of ``ExportedProgram.module()`` in order, the projections of attention among them."""
    import torch

    found = []
    for node in graph_module.graph.nodes:
        if node.target is not torch.ops.aten.linear.default:
            continue
        if all(argument.op == "get_attr" for argument in node.args[1:] if argument is not None):
            weight = operator.attrgetter(node.args[1].target)(graph_module).detach()
            if weight.dtype is torch.float32 and weight.dim() == 2:
                found.append(LinearLayer(node=node, name=node.args[1].target, weight=weight))
    return found


def operator_kind(node: Any) -> str:
    """Return ``linear`` for a call of ``aten.linear.default``, "" for what is no call of an ATen operator."""
    schema = getattr(node.target, "_schema", None)
    return str(schema.name).removeprefix("aten::") if schema is not None else ""


def without_unused(graph_module: Any) -> Any:
    """Return ``graph_module`` without nodes and parameters that nothing uses any more."""
    graph_module.graph.eliminate_dead_code()
    used = {node.target for node in graph_module.graph.nodes if node.op == "get_attr"}
    for name in [name for name, _ in graph_module.named_parameters(remove_duplicate=False) if name not in used]:
        parent, _, leaf = name.rpartition(".")
        delattr(graph_module.get_submodule(parent), leaf)
    graph_module.recompile()
    return graph_module


def brings_nothing(recipe: str, why: str, hint: str) -> Failure:
    """Return the Failure ``recipe-brings-nothing``: the artifact would be the float32 one under another name."""
    message = f"the recipe {recipe} changes nothing in this model: {why}"
    return Failure(Diagnostic(code="recipe-brings-nothing", message=message, hint=hint))
