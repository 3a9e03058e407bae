"""Edits of an ExportedProgram's graph in place: nodes inserted with the metadata that later passes read, and constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

PROVENANCE = ("nn_module_stack", "stack_trace", "from_node", "custom")
"""What a node tells of the module and the line that it comes from; a node in its stead tells the same.

Not what it tells of the function that it is (``torch_fn``, ``source_fn_stack``): quantizers look for operators by that.
"""


def duplicate(program: Any) -> Any:
    """Return a program with a graph and a signature of its own; the tensors are shared."""
    import copy

    import torch

    module = torch.fx.GraphModule(program.graph_module, copy.deepcopy(program.graph_module.graph))
    module.meta = dict(program.graph_module.meta)
    return torch.export.ExportedProgram(
        root=module,
        graph=module.graph,
        graph_signature=copy.deepcopy(program.graph_signature),
        state_dict=dict(program.state_dict),
        range_constraints=program.range_constraints,
        module_call_graph=copy.deepcopy(program.module_call_graph),
        example_inputs=program.example_inputs,
        constants=dict(program.constants),
        verifiers=program.verifiers,
    )


def calls(program: Any, *targets: Any) -> list[Any]:
    """Return the nodes that call one of ``targets``, in order."""
    return [node for node in program.graph.nodes if node.op == "call_function" and node.target in targets]


def value(node: Any) -> Any:
    """Return the fake tensor (or number) that stands for what ``node`` gives."""
    return node.meta["val"]


def fixed(node: Any) -> bool:
    """Return whether the shape of what ``node`` gives is known."""
    return all(isinstance(size, int) for size in value(node).shape)


MOST_AXES = 6
"""XNN_MAX_TENSOR_DIMS of XNNPACK, which takes calls on more and then does not load."""


def shaped(node: Any) -> bool:
    """Return whether the shape of what ``node`` gives is known, holds something, and has no more axes than XNNPACK takes."""
    return fixed(node) and 0 not in value(node).shape and value(node).dim() <= MOST_AXES


class Writer:
    """Inserts calls before ``place``, as if its module had made them: same provenance, values computed on fake tensors."""

    def __init__(self, program: Any, place: Any) -> None:
        self.program, self.place = program, place

    def call(self, target: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the node of a new call."""
        graph = self.program.graph
        with graph.inserting_before(self.place):
            node = graph.call_function(target, args, kwargs)
        node.meta = {key: self.place.meta[key] for key in PROVENANCE if key in self.place.meta}
        node.meta["val"] = _faked(target, args, kwargs)
        return node

    def instead(self, node: Any) -> None:
        """Let ``node`` stand for ``place``, which goes away, also where ``place`` is an output of the program."""
        module, signature = self.program.graph_module, self.program.graph_signature
        with module._set_replace_hook(signature.get_replace_hook()):
            self.place.replace_all_uses_with(node, propagate_meta=False)
        self.program.graph.erase_node(self.place)


def _faked(target: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    import torch

    def faked(item: Any) -> Any:
        return item.meta["val"] if isinstance(item, torch.fx.Node) else item

    given = torch.fx.node.map_aggregate(tuple(args), faked)
    named = torch.fx.node.map_aggregate(kwargs, faked)
    tensors = [item for item in torch.utils._pytree.tree_leaves((given, named)) if isinstance(item, torch.Tensor)]
    mode = next(item.fake_mode for item in tensors)
    with mode, torch.no_grad():
        return target(*given, **named)


def constant(program: Any, tensor: Any, like: Any, learnt: bool = False) -> Any:
    """Return a new placeholder that holds ``tensor``, with the provenance of the node ``like``.

    What is ``learnt`` is a parameter, which recipes that train go on training.
    """
    import torch
    from torch.export.graph_signature import InputKind, InputSpec, TensorArgument

    name = next(name for name in _names() if name not in program.constants and name not in program.state_dict)
    specs = program.graph_signature.input_specs
    # Parameters come first, other constants last: before what the user gives.
    before = {InputKind.PARAMETER} if learnt else set(InputKind) - {InputKind.USER_INPUT}
    place = next((index for index, spec in enumerate(specs) if spec.kind not in before), len(specs))
    following = specs[place].arg.name if place < len(specs) else None
    first = next((node for node in program.graph.nodes if node.name == following), None)
    if first is None:
        first = next(node for node in program.graph.nodes if node.op != "placeholder")
    with program.graph.inserting_before(first):
        node = program.graph.placeholder(name)
    node.meta = {key: like.meta[key] for key in PROVENANCE if key in like.meta}
    node.meta["val"] = _mode(program).from_tensor(tensor, static_shapes=True)
    argument = TensorArgument(name=node.name)
    if learnt:
        program.state_dict[name] = torch.nn.Parameter(tensor)
        spec = InputSpec(kind=InputKind.PARAMETER, arg=argument, target=name)
    else:
        program.constants[name] = tensor
        spec = InputSpec(kind=InputKind.CONSTANT_TENSOR, arg=argument, target=name, persistent=True)
    specs.insert(place, spec)
    return node


def _names() -> Iterator[str]:
    number = 0
    while True:
        yield f"rewritten_{number}"
        number += 1


def _mode(program: Any) -> Any:
    import torch

    values = (node.meta.get("val") for node in program.graph.nodes)
    return next(item.fake_mode for item in values if isinstance(item, torch.Tensor) and hasattr(item, "fake_mode"))


def held(program: Any) -> dict[Any, Any]:
    """Return the placeholders of parameters, buffers that nothing changes, and constants, with their tensors."""
    import torch
    from torch.export.graph_signature import InputKind

    signature = program.graph_signature
    changed = set(signature.buffers_to_mutate.values()) | set(getattr(signature, "parameters_to_mutate", {}).values())
    kinds = {InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR}
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    found = {}
    for spec in signature.input_specs:
        if spec.kind in kinds and spec.target not in changed and spec.arg.name in nodes:
            tensor = program.state_dict.get(spec.target, program.constants.get(spec.target))
            if isinstance(tensor, torch.Tensor):
                found[nodes[spec.arg.name]] = tensor
    return found


def swept(program: Any) -> None:
    """Remove calls that nothing uses, and the placeholders, signature entries and tensors that only they used."""
    program.graph.eliminate_dead_code()
    unused = [node for node in held(program) if not node.users]
    names = {node.name for node in unused}
    signature = program.graph_signature
    gone = {spec.target for spec in signature.input_specs if spec.arg.name in names}
    signature.input_specs = [spec for spec in signature.input_specs if spec.arg.name not in names]
    for node in unused:
        program.graph.erase_node(node)
    for name in gone - {spec.target for spec in signature.input_specs}:
        program.state_dict.pop(name, None)
        program.constants.pop(name, None)
    program.graph_module.recompile()


def weight_bytes(program: Any) -> int:
    """Return the bytes of the distinct tensors that the program holds."""
    return sum({id(tensor): tensor.numel() * tensor.element_size() for tensor in held(program).values()}.values())


def operator_calls(program: Any) -> int:
    """Return how many calls of operators the graph makes."""
    return sum(node.op == "call_function" and hasattr(node.target, "_schema") for node in program.graph.nodes)
