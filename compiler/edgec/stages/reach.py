"""From an artifact that does not run to the first operator with which it does not: its graph is cut ever nearer to it."""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.runtime.calls import below, ours, written

SECONDS = 120.0
"""No further cut is compiled after this long; what is known by then is told."""

HELPERS = ("quantize_per_", "dequantize_per_", "choose_qparams")
"""What quantization adds around the model's own operators."""

Runs = Callable[[Any], bool]
"""Lowers an ExportedProgram as the job does and says whether the artifact loads and runs."""

FRAME = re.compile(r'File "([^"]+)", line (\d+)')


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The last operator up to which the artifact runs (None: not even the first) and the first with which it does not.

    ``exact`` is False where time was over before there was nothing between the two.
    """

    runs: Any | None
    fails: Any
    exact: bool


def reached(
    failure: Failure, program: Any, example: Sequence[Any], runs: Runs, root: Path, seconds: float = SECONDS
) -> Failure:
    """Return ``failure`` (the artifact of ``program`` does not run) with the operator named in its hint, and where it stands.

    What goes wrong here never hides the failure: the hint then says that it could not be narrowed down, and why.
    """
    first, *others = failure.diagnostics
    related: tuple[tuple[str, Location], ...] = ()
    try:
        found = reach(program, example, runs, seconds)
        words, related = _told(found, root)
    # Parts of a graph meet whatever torch or a delegate raises; the failure itself must be told.
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        words = f"it could not be narrowed down to an operator: {lines[0]}"
    hint = f"{words}\n{first.hint}" if first.hint else words
    named: Diagnostic = replace(first, hint=hint, related=(*first.related, *related))
    return Failure(named, *others, documents=failure.documents)


def reach(program: Any, example: Sequence[Any], runs: Runs, seconds: float = SECONDS) -> Reach:
    """Return how far ``program`` runs, by bisection over its graph; the whole of it is known not to run."""
    import torch

    deadline = time.monotonic() + seconds
    module = program.module(check_guards=False)
    nodes = list(module.graph.nodes)
    cuts = [index for index, node in enumerate(nodes) if _cut(nodes, index, node)]
    low, high = -1, len(cuts) - 1
    while high - low > 1 and time.monotonic() < deadline:
        middle = (low + high) // 2
        part = torch.export.export(_until(module, nodes, cuts[middle]), tuple(example))
        low, high = (middle, high) if runs(part) else (low, middle)
    return Reach(runs=nodes[cuts[low]] if low >= 0 else None, fails=nodes[cuts[high]], exact=high - low == 1)


def _cut(nodes: Sequence[Any], index: int, node: Any) -> bool:
    """Whether the graph can end after this node: an operator of the model's own, and only float tensors go on from here."""
    if node.op != "call_function" or node.target is operator.getitem or any(word in str(node.target) for word in HELPERS):
        return False
    return all(_float(one) for one in _alive(nodes, index))


def _alive(nodes: Sequence[Any], index: int) -> list[Any]:
    """What later nodes read of the operators up to ``index``, this one's own value always."""
    later = set(nodes[index + 1 :])
    made = [node for node in nodes[: index + 1] if node.op == "call_function"]
    return [node for node in made if node is nodes[index] or any(user in later for user in node.users)]


def _float(node: Any) -> bool:
    import torch

    seen = node.meta.get("val")
    return isinstance(seen, torch.Tensor) and seen.is_floating_point()


def _until(module: Any, nodes: Sequence[Any], index: int) -> Any:
    """Return the module of the nodes up to ``index`` that gives all that later nodes read."""
    import torch

    graph = torch.fx.Graph()
    copies: dict[Any, Any] = {}
    for position, node in enumerate(nodes):
        if position <= index or node.op == "placeholder":
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for node in _alive(nodes, index)))
    return torch.fx.GraphModule(module, graph)


def _told(found: Reach, root: Path) -> tuple[str, tuple[tuple[str, Location], ...]]:
    """Return the sentence on a Reach, and where the operator stands in the project."""
    culprit = _shown(found.fails, root)
    before = f"the artifact runs as far as {_shown(found.runs, root)}" if found.runs is not None else ""
    if not found.exact:
        words = f"{before or 'the artifact does not run'}; time was over before the operator was found, at most {culprit}"
    else:
        words = f"{before}, and no longer with {culprit}" if before else f"the artifact does not run from {culprit} on"
    kept = _path(found.fails)
    if kept:
        words += f"\nkeep {kept} in float (recipe `mixed`), write it another way, or take another recipe or delegate"
    place = _place(found.fails, root)
    if place is None or not ours(place[0], root):
        return words, ()
    file = place[0].resolve().relative_to(root).as_posix()
    return words, (("the artifact runs until here", Location(file=file, line=place[1])),)


def _shown(node: Any, root: Path) -> str:
    path, place = _path(node), _place(node, root)
    where = [f"in {path}"] if path else []
    if place:
        where.append(written(place, root))
    name = str(node.target).removesuffix(".default")
    return f"{name} ({', '.join(where)})" if where else name


def _path(node: Any) -> str:
    """The submodule whose code calls the operator, as the user knows it; empty for the model's own code."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    return re.sub(r"^(L\['self'\]\.|_?model\.|model$)", "", path)


def _place(node: Any, root: Path) -> tuple[Path, int] | None:
    """The innermost line of the user's own code that led to the operator, else the innermost outside torch."""
    frames = [(Path(file), int(line)) for file, line in FRAME.findall(node.meta.get("stack_trace") or "")]
    frames = [(path, line) for path, line in frames if "torch" not in below(path)[:1]]
    own = [frame for frame in frames if ours(frame[0], root)] or frames
    return own[-1] if own else None
