"""From a graph to the bytes of a ``.pte``, with what the delegates took, what they left, and why."""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from edgec.artifacts.lowered import Operator
from edgec.artifacts.plan import Plan
from edgec.artifacts.steps import Steps
from edgec.diagnostics import Diagnostic, Failure, first_line
from edgec.exhaustion import exhausted
from edgec.registry import plugin
from edgec.upstream.decompositions import decomposed_once
from edgec.upstream.delegate_answers import delegates_answered_once
from edgec.upstream.dynamic_layouts import ranges_of_own_input
from edgec.upstream.fp16_conversions import conversions_delegated
from edgec.upstream.fp16_convolutions import narrow_filters
from edgec.upstream.free_permutes import pixels_left_in_place
from edgec.upstream.node_source import shared_provenance
from edgec.upstream.pattern_passes import patterns_when_needed
from edgec.upstream.quantized_moves import pixels_padded
from edgec.upstream.recompilation import compiled_late
from edgec.upstream.retracing import retraced_when_changed

UNTAKEN = "no partitioner takes this operator"
"""Partitioners explain a node that they know and refuse; of operators that they do not know they say nothing."""

MOST_LINES = 5
"""So many source lines are kept of one kind of operator."""

SOURCE = re.compile(r'File "([^"]+)", line (\d+)')

HELPERS = ("getitem", "alloc", "quantize_per_", "dequantize_per_", "choose_qparams", "executorch_call_delegate")
"""Not compute operators: tuple access, memory, delegate calls, and the conversions that quantization adds."""


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """The program's bytes, its compute operators, by name, and what the delegate's compiler estimates (``Steps``)."""

    data: bytes
    operators: tuple[Operator, ...]
    estimates: Mapping[str, float] = field(default_factory=dict)


def lower(plan: Plan, program: Any, narrow: bool = True) -> Lowering:
    """Return the ``.pte`` of ``program`` (an ExportedProgram) for the plan's delegates, in order.

    ``narrow`` lets float16 recipes store convolution filters as float16 and convert inside the delegate, which upstream
    does not: what comes of it must be seen to load and to compare.
    Raises Failure ``lower-failed`` with the compiler's first line.
    """
    precision = plugin("recipes", plan.recipe.name).PRECISION
    partitioners: list[Any] = []
    for choice in plan.delegates:
        partitioners += plugin("delegates", choice.name).partitioners(precision, choice.options)
    if precision in ("int8", "int4"):
        import executorch.kernels.quantized  # noqa: F401 (out variants of what no delegate takes)
    half = narrowed(narrow and precision == "fp16")
    try:
        first = plan.delegates[0]
        steps = plugin("delegates", first.name).steps(precision, first.options)
        with uncollected(), _sooner(), _in_order(), half, refusals() as reasons, steps.estimating() as estimates:
            return replace(_lowered(program, partitioners, steps, reasons), estimates=estimates)
    # The compiler raises whatever one of its passes trips over.
    except Exception as error:
        if exhausted(error):
            raise
        names = ", ".join(choice.name for choice in plan.delegates)
        message = f"the model does not lower to {names}: {first_line(error)}"
        raise Failure(Diagnostic(code="lower-failed", message=message)) from error


@contextmanager
def _sooner() -> Iterator[None]:
    """Inside it ExecuTorch lowers in less time to the same bytes."""
    with (
        shared_provenance(),
        compiled_late(),
        patterns_when_needed(),
        decomposed_once(),
        retraced_when_changed(),
        delegates_answered_once(),
    ):
        yield


@contextmanager
def _in_order() -> Iterator[None]:
    """Inside it XNNPACK brings values into the order that its kernels want where they are not, and nowhere else."""
    with ranges_of_own_input(), pixels_left_in_place(), pixels_padded():
        yield


@contextmanager
def narrowed(wanted: bool) -> Iterator[None]:
    """Inside it, where ``wanted``, XNNPACK stores float16 filters as they are and converts float16 itself."""
    if not wanted:
        yield
        return
    with narrow_filters(), conversions_delegated():
        yield


def _lowered(program: Any, partitioners: list[Any], steps: Steps, reasons: dict[str, str]) -> Lowering:
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(program, partitioner=partitioners or None, compile_config=steps.edge)
    if steps.after:
        edge = steps.after(edge)
    operators = compute_operators(edge.exported_program().graph_module, reasons, steps.kernels)
    return Lowering(data=bytes(edge.to_executorch(steps.backend).buffer), operators=operators)


@contextmanager
def uncollected() -> Iterator[None]:
    """Inside it the cyclic collector rests: scanning what graph passes make, and keep, is 8 % of the time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


@contextmanager
def refusals() -> Iterator[dict[str, str]]:
    """Inside it, collect why partitioners refuse nodes, from ExecuTorch's ``WhyNoPartition``: node name to reason."""
    reasons: dict[str, str] = {}

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            node, reason = getattr(record.msg, "node", None), getattr(record.msg, "reason", "")
            if node is not None and reason:
                reasons.setdefault(node.name, " ".join(str(reason).split()).rstrip("."))

    logger, listener = logging.getLogger("executorch.backends"), Listener()
    # Partition configs log to loggers of their own below this one; DEBUG is where they say why.
    level, propagate = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield reasons
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate


def compute_operators(graph_module: Any, reasons: dict[str, str], own: str = "") -> tuple[Operator, ...]:
    """Return the compute operators inside and outside the delegates of a lowered edge graph, sorted by name.

    Operators of the namespace ``own`` are the delegate's, though each is a call of its own.

    The nodes that ``executorch.devtools.backend_debug.get_delegation_info`` counts (it imports pandas), less HELPERS.
    """
    delegated: Counter[str] = Counter()
    left: Counter[str] = Counter()
    why: dict[str, str] = {}
    where: dict[str, dict[str, None]] = {}
    for node in graph_module.graph.nodes:
        if node.op == "get_attr" and node.name.startswith("lowered_module_"):
            delegated.update(_names(getattr(graph_module, node.name).original_module))
    for node in _calls(graph_module):
        name = operator_name(node)
        if own and name.startswith(f"{own}::"):
            delegated[name] += 1
            continue
        left[name] += 1
        why.setdefault(name, reasons.get(node.name, UNTAKEN))
        where.setdefault(name, {}).update(dict.fromkeys(filter(None, [source_line(node)])))
    return tuple(
        Operator(
            name=name,
            delegated=delegated[name],
            left=left[name],
            reason=why.get(name, ""),
            where=tuple(where.get(name, {}))[:MOST_LINES],
        )
        for name in sorted(delegated.keys() | left.keys())
    )


def source_line(node: Any) -> str:
    """Return ``package/module.py:12`` of the innermost line that torch traced a node from, "" where it kept none.

    The path is relative to where Python imports from: artifacts hold no path of the machine that made them.
    """
    found = SOURCE.findall(str(node.meta.get("stack_trace") or ""))
    own = [(name, line) for name, line in found if "/torch/" not in name] or found
    if not own:
        return ""
    name, line = own[-1]
    places = [place for entry in sys.path if entry and name.startswith(place := entry.rstrip(os.sep) + os.sep)]
    short = name.removeprefix(max(places, key=len)) if places else os.path.basename(name)  # noqa: PTH119
    return f"{short.replace(os.sep, '/')}:{line}"


def _names(graph_module: Any) -> list[str]:
    return [operator_name(node) for node in _calls(graph_module)]


def _calls(graph_module: Any) -> list[Any]:
    calls = [node for node in graph_module.graph.nodes if node.op == "call_function" and not _is_arithmetic(node)]
    return [node for node in calls if not operator_name(node).split("::")[-1].startswith(HELPERS)]


def _is_arithmetic(node: Any) -> bool:
    """Whether a call gives numbers alone, as that of a dynamic axis' size and sums with it: no partitioner takes those."""
    import torch

    values = torch.utils._pytree.tree_leaves(node.meta.get("val"))
    numbers = (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool)
    return bool(values) and all(isinstance(value, numbers) for value in values)


def operator_name(node: Any) -> str:
    """Return ``aten::convolution`` for a node that calls ``aten.convolution.default``, else the function's own name."""
    schema = getattr(node.target, "_schema", None)
    return str(schema.name) if schema is not None else str(getattr(node.target, "__name__", node.target))


def refuse_unavailable(kernels: Sequence[str], missing: Sequence[str]) -> None:
    """Raise Failure ``operator-unavailable`` when some of the program's kernels are ``missing`` from the runtime."""
    if missing:
        names = ", ".join(sorted(missing))
        raise Failure(
            Diagnostic(
                code="operator-unavailable",
                message=f"{len(missing)} of {len(kernels)} operators outside the delegates have no kernel: {names}",
                hint="replace the operator in the model, or choose a delegate that takes it",
            )
        )
