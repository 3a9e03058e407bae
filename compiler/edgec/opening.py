"""The part of a lowering that candidates of one model have in common: loaded, asked, exported; an Opened comes out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import plugin
from edgec.runtime.inference import Answers, answers, batch_size
from edgec.stages.evaluate import parity_samples
from edgec.stages.load import Loaded, load
from edgec.stages.quantize import export, shared_axes

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An ExportedProgram, its dynamic axes, what it answers to the parity samples, and how many samples it takes at once."""

    program: Any
    dynamic: Any
    answers: Answers
    size: int


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A loaded model and what depends on no recipe: ``eager`` are its answers to ``parity``, which come from ``origin``.

    Parity samples are answered one at a time, as the artifact answers: in batches sums come in another order, which a deep
    network with random weights makes more of than an export may (EfficientNet-B2: 58 dB against itself).
    ``reference`` are its answers to the evaluation data, empty until someone needed them. ``exported`` holds the graphs
    that there are by dtype.
    """

    loaded: Loaded
    parity: list[Sample]
    origin: str
    size: int
    eager: Answers
    reference: Answers
    exported: Mapping[str, Exported]


def opened(plan: Plan, project: Project, progress: Progress) -> Opened:
    """Load the model of ``plan`` and ask it. Raises Failure as loading does, and what the model fails with on a sample."""
    inputs = plan.inputs
    with timed("load", progress):
        loaded = load(plan, replace(project, files=plan.files))
        parity, origin = parity_samples(inputs, loaded.evaluation, loaded.calibration)
        size = batch_size(loaded.model, parity, inputs)
        eager = answers(loaded.model, parity, inputs)
    return Opened(loaded=loaded, parity=parity, origin=origin, size=size, eager=eager, reference=[], exported={})


def exported(plan: Plan, model: Opened, project: Project, progress: Progress) -> Exported:
    """Return the graph that the plan's recipe starts from: the one that there is already, else a new one."""
    if found := model.exported.get(_dtype(plan)):
        return found
    with timed("export", progress):
        program = export(plan, model.loaded.model, model.loaded.example, model.loaded.dynamic, project.root)
    with timed("compare eager with exported", progress):
        graph = program.module(check_guards=False)
        size = batch_size(graph, model.parity, plan.inputs)
        try:
            given = answers(graph, model.parity, plan.inputs)
        except Failure as failure:
            raise _graph_failed(failure, _dtype(plan)) from failure
        return Exported(program=program, dynamic=shared_axes(program, model.loaded.dynamic), answers=given, size=size)


def _graph_failed(failure: Failure, dtype: str) -> Failure:
    """The model itself has answered to every sample by now: neither it nor the data is to blame."""
    message = failure.diagnostics[0].message.replace("the model fails", f"the graph exported in {dtype} fails", 1)
    hint = "what forward computes from sizes or values is fixed by the export: take it from the inputs' own tensors"
    if dtype == "float16":
        hint = "make tensors in forward of the inputs' type (torch.zeros(…, dtype=x.dtype)), or take the recipe fp32"
    return Failure(Diagnostic(code="export-failed", message=message, hint=hint))


def in_common(plans: Sequence[Plan], project: Project, progress: Progress) -> Opened:
    """Open the model of ``plans``, all of one reference key, as far as more than one of them has use for it.

    That is: eager's answers to the evaluation data, and each graph that two recipes or more start from.
    """
    model = opened(plans[0], project, progress)
    with timed("evaluate eager", progress):
        reference = answers(model.loaded.model, model.loaded.evaluation, plans[0].inputs, model.size)
    graphs = {}
    for plan in plans:
        alike = [other for other in plans if _dtype(other) == _dtype(plan)]
        if len(alike) > 1 and plan.recipe.name != "auto" and _dtype(plan) not in graphs:
            graphs[_dtype(plan)] = exported(plan, model, project, progress)
    return replace(model, reference=reference, exported=graphs)


def _dtype(plan: Plan) -> str:
    return "float16" if plugin("recipes", plan.recipe.name).PRECISION == "fp16" else "float32"


@contextlib.contextmanager
def timed(step: str, progress: Progress) -> Iterator[None]:
    """Tell how long the step took, when it is done."""
    start = time.perf_counter()
    yield
    progress(f"{step} {time.perf_counter() - start:.1f} s")
