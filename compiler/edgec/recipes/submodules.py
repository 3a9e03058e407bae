"""The submodules that a graph was exported from: named as users name them, found by name or type, or made float16."""

from __future__ import annotations

import fnmatch
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from edgec.artifacts.manifest import Input
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.recipes.buffers import buffered

PREFIX = "model"
"""What ``stages/load.py`` calls the user's model inside the deployed one."""

FRONT = "front"
"""How the names of what it computes in front of that model, a sound's features, begin there."""

INTEGERS = ("quantize_per_", "dequantize_per_", "choose_qparams")
"""Operators on the border of integers: they belong to no submodule, whatever their metadata says."""


def stack(node: Any) -> list[tuple[str, str]]:
    """Return the submodules that a node stems from, outermost first: (name in the user's model, type with its module)."""
    entries = (node.meta.get("nn_module_stack") or {}).values()
    # A submodule that is called twice is "name@1" the second time.
    paths = [(path.partition("@")[0], str(kind)) for path, kind in entries]
    own = [(path, kind) for path, kind in paths if path not in ("", PREFIX) and not path.startswith(FRONT)]
    return [(path.removeprefix(f"{PREFIX}."), kind) for path, kind in own]


def in_front(node: Any) -> bool:
    """Return whether a node computes features in front of the user's model."""
    return any(path.startswith(FRONT) for path, _ in (node.meta.get("nn_module_stack") or {}).values())


def asked(inputs: Sequence[Input], wanted: Callable[[Any], bool] | None = None) -> Callable[[Any], bool] | None:
    """Return which nodes a Scheme is to quantize: those ``wanted`` (None: all), less the features in front of the model.

    Those stay in float: power spans more than 8 bits hold.
    """
    if not any(item.audio and item.audio.features for item in inputs):
        return wanted
    return lambda node: not in_front(node) and (wanted is None or wanted(node))


def submodules(graph_module: Any) -> dict[str, str]:
    """Return name and type of every submodule that the graph computes something of, in order."""
    found: dict[str, str] = {}
    for node in graph_module.graph.nodes:
        if node.op == "call_function":
            found.update({name: kind for name, kind in stack(node) if name not in found})
    return found


def inside(kept: Iterable[str]) -> Callable[[Any], bool]:
    """Return what says of a node whether it stems from one of the submodules, or from one inside them."""
    names = frozenset(kept)
    return lambda node: any(name in names for name, _ in stack(node))


def chosen(known: Mapping[str, str], modules: Sequence[str], types: Sequence[str]) -> list[str]:
    """Return the names among ``known`` that a pattern of ``modules`` or a type of ``types`` means, in order.

    Raises Failure ``module-unknown`` with every pattern and type that means none of them.
    """
    spellings = {name: _spellings(kind) for name, kind in known.items()}
    lost = [_unknown("name", word, known) for word in modules if not fnmatch.filter(known, word)]
    every = sorted({spelling for found in spellings.values() for spelling in found})
    lost += [_unknown("type", word, every) for word in types if word not in every]
    if lost:
        raise Failure(*lost)
    return [
        name
        for name, found in spellings.items()
        if found & set(types) or any(fnmatch.fnmatchcase(name, word) for word in modules)
    ]


def _spellings(kind: str) -> set[str]:
    """The ways to write a type: ``Conv2d``, ``nn.Conv2d``, ``torch.nn.Conv2d``, ``torch.nn.modules.conv.Conv2d``."""
    short = kind.rpartition(".")[2]
    return {kind, short} | ({f"nn.{short}", f"torch.nn.{short}"} if kind.startswith("torch.nn.") else set())


def _unknown(what: str, word: str, known: Iterable[str]) -> Diagnostic:
    names = list(known)
    close = nearest(word, names)
    shown = ", ".join(names[:8]) + (f" … ({len(names)} in all)" if len(names) > 8 else "")
    message = f"no submodule of the model that computes anything has the {what} {word!r}"
    hint = f"did you mean {close!r}?" if close else f"{what}s are {shown}"
    return Diagnostic(code="module-unknown", message=message, hint=hint)


def narrow(graph_module: Any, kept: Callable[[Any], bool]) -> int:
    """Let the nodes that ``kept`` takes compute in float16, in place; return how many conversions stand at their borders.

    What states float32 itself (a softmax with that ``dtype``), or makes it of no float, goes on giving float32.
    """
    import torch

    graph, half = graph_module.graph, torch.float16
    region = _region(graph_module, kept)
    casts: dict[tuple[Any, Any], Any] = {}

    def cast(source: Any, dtype: Any) -> Any:
        if (source, dtype) not in casts:
            with graph.inserting_after(source):
                casts[source, dtype] = graph.call_function(torch.ops.aten.to.dtype, (source, dtype))
        return casts[source, dtype]

    for node in [node for node in graph.nodes if node in region]:
        for source in node.all_input_nodes:
            if source.op == "get_attr":
                node.replace_input_with(source, _half(graph_module, source))
            elif source not in region and _is_float(source):
                node.replace_input_with(source, cast(source, half))
        if _is_float(node):  # of several values each is taken by a call of its own, which is a node of the region
            for user in [user for user in node.users if user not in region and user not in casts.values()]:
                user.replace_input_with(node, cast(node, torch.float32))
    graph.eliminate_dead_code()
    graph_module.recompile()
    return len(casts)


def _region(graph_module: Any, kept: Callable[[Any], bool]) -> set[Any]:
    """The nodes that give float16, or several values with float16 among them, where their floats are float16."""
    region: set[Any] = set()
    for node in graph_module.graph.nodes:
        if node.op != "call_function":
            continue
        if node.target is operator.getitem:
            within = node.args[0] in region and _is_float(node)
        else:
            within = kept(node) and _computes_floats(node) and not _states_float32(node)
            within = within and any(_is_float(given) or _holds_float(graph_module, given) for given in node.all_input_nodes)
        if within:
            region.add(node)
    return region


def _computes_floats(node: Any) -> bool:
    name = str(getattr(node.target, "__name__", node.target))
    values = node.meta.get("val")
    several = isinstance(values, (list, tuple)) and any(_is_float32(value) for value in values)
    return not name.startswith(INTEGERS) and (several or _is_float(node))


def _states_float32(node: Any) -> bool:
    import torch

    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema is not None else []
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}.get("dtype") is torch.float32


def _is_float(node: Any) -> bool:
    value = node.meta.get("val")
    if value is None:  # what convert_pt2e inserts: integers come out of quantize, float32 of dequantize
        return "dequantize" in str(node.target)
    return _is_float32(value)


def _is_float32(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.dtype is torch.float32


def _holds_float(graph_module: Any, source: Any) -> bool:
    return source.op == "get_attr" and _is_float32(operator.attrgetter(source.target)(graph_module))


def _half(graph_module: Any, source: Any) -> Any:
    """Return the node of a float16 copy of the constant that ``source`` names; ``source`` itself for what is no float32."""
    import torch

    if not _holds_float(graph_module, source):
        return source
    value = operator.attrgetter(source.target)(graph_module)
    with graph_module.graph.inserting_before(source):
        return buffered(graph_module, f"{source.target}_half", value.detach().to(torch.float16))
