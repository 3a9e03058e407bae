"""What happens inside a job, in order: load → resolve → export → quantize → lower → compare → evaluate → record."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgec.artifacts.lowered import LEFT_OUT, Boundary, Lowered
from edgec.artifacts.material import Material
from edgec.artifacts.measured import Measured, Status
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Failure
from edgec.margins import limits
from edgec.narrowing import Suspects, narrowing, reaching
from edgec.opening import Exported, Opened, exported, opened, timed
from edgec.profiling import counts
from edgec.recording import Evidence, record
from edgec.registry import plugin
from edgec.runtime.inference import Answers, answers, batch_size, different, runtime_answers, unguarded
from edgec.runtime.libraries import unavailable_kernels
from edgec.runtime.program import ProgramFacts, read_program
from edgec.runtime.session import Session
from edgec.runtime.vectors import evaluation
from edgec.stages.compare import FULL, compare
from edgec.stages.evaluate import Answered, evaluate
from edgec.stages.judge import judge
from edgec.stages.load import Loaded, refuse_changed
from edgec.stages.lower import Lowering, lower, refuse_unavailable
from edgec.stages.measure import evaluation_figures, evaluation_of
from edgec.stages.quantize import checked, quantize
from edgec.stages.ranges import refuse_other_ranges
from edgec.stages.resolve import resolve
from edgec.stages.rewrite import Rewriting, rewrite, rewriting_limit
from edgec.standing import STEP, Run, not_run, reference, refuse_untaken

OWN_KERNELS = ("cortex_m::",)
"""Operators whose kernels no runtime in the registries has, and the firmware brings."""

Progress = Callable[[str], None]
Standing = Callable[[Any], Status]


def lowering(
    plan: Plan, project: Project, folder: Path, progress: Progress, model: Opened | None = None
) -> Lowered:
    """Load → export → rewrite → quantize → lower → compare; the artifact runs in a process of its own. Writes into ``folder``.

    ``model`` is the plan's where it is open already. Raises Failure of any step; ``digest-mismatch`` where an input file
    is no longer what the plan was made from.
    """
    project = replace(project, files=plan.files)
    # Its imports run beside the lowering.
    with Session(folder) as session:
        model = model or opened(plan, project, progress)
        plan, decided = resolve(plan, model.loaded)
        graph = exported(plan, model, project, progress)
        step = _Step(plan=plan, project=project, folder=folder, progress=progress, session=session, model=model)
        return _lowering(step, graph, decided)


@dataclass(frozen=True, kw_only=True)
class _Step:
    """What every step of one lowering works with."""

    plan: Plan
    project: Project
    folder: Path
    progress: Progress
    session: Session
    model: Opened


def _lowering(step: _Step, graph: Exported, decided: Mapping[str, str]) -> Lowered:
    """Carry an exported graph to the record of a compared and evaluated artifact."""
    plan, model, folder, progress = step.plan, step.model, step.folder, step.progress
    points = {"eager": model.eager, "exported": graph.answers}
    program, size = graph.program, graph.size
    counted = counts(plan, model.loaded, program)
    with timed("rewrite", progress):
        rewriting = _rewritten(plan, program, points["exported"], model.parity, model.loaded.integers)
        if rewriting.changed:
            program, points["rewritten"] = rewriting.program, rewriting.answers
            size = batch_size(program.module(check_guards=False), model.parity, plan.inputs)
    noted = {LEFT_OUT: ", ".join(model.loaded.left_out)} if model.loaded.left_out else {}
    with timed("quantize", progress):
        material = _material(step, size, graph.dynamic, noted)
        quantized = quantize(plan, program, material, model.loaded.calibration)
    if quantized is not program:
        with timed("compare exported with quantized", progress):
            points["quantized"] = answers(quantized.module(check_guards=False), model.parity, plan.inputs)
    with timed("lower", progress):
        built, facts = _built(step, quantized, points, noted)
    suspects = Suspects(
        plan=plan, root=step.project.root, loaded=model.loaded, parity=model.parity, session=step.session, folder=folder,
        limits=limits(plan), rewritten=_rewritten, material=material,
    )  # fmt: skip
    with timed("compare with the artifact in a fresh process", progress):
        with reaching(suspects, quantized):
            run, last = _asked(step, quantized, built, facts, noted)
            points[last] = runtime_answers(run, model.parity, plan.inputs)
        with narrowing(suspects):
            boundaries = _judged(plan, points, model)
    with timed("evaluate", progress):
        answered = evaluate(model.loaded.model, run, model.loaded.evaluation, plan.inputs, model.size, model.reference)
        with narrowing(suspects):
            boundaries += _judged_whole(plan, answered, last, model.loaded)
    refuse_changed(step.project)  # every input has been read by now
    evidence = Evidence(
        answered=answered,
        boundaries=boundaries,
        parity=model.parity,
        found=points[last],
        origin=model.origin,
        decided={**decided, **noted},
        rewrites=rewriting.record,
        profile=counted,
    )
    return record(plan, model.loaded, folder, built, facts, evidence)


def _built(
    step: _Step, program: Any, points: Mapping[str, Answers], noted: dict[str, str]
) -> tuple[Lowering, ProgramFacts]:
    """Lower; what edgec's way with float16 makes is kept only where it loads and compares, and else made without it."""
    plan = step.plan
    if plugin("recipes", plan.recipe.name).PRECISION == "fp16" and not not_run(plan):
        try:
            built, facts = _lowered(plan, program, narrow=True)
            _judged(plan, {**points, "pte": _ran(step, built, facts)}, step.model)
        except Failure as failure:
            noted["float16"] = f"filters as float32, conversions outside the delegate: {failure.diagnostics[0].message}"
            step.session.restart()
        else:
            return built, facts
    return _lowered(plan, program, narrow=False)


def _lowered(plan: Plan, program: Any, narrow: bool) -> tuple[Lowering, ProgramFacts]:
    built = lower(plan, program, narrow)
    facts = read_program(built.data)
    refuse_untaken(plan, facts)
    # A delegate's own kernels come with its runtime.
    kernels = [name for name in facts.kernels if not name.startswith(OWN_KERNELS)]
    if kernels:
        refuse_unavailable(kernels, unavailable_kernels(kernels))
    return built, facts


def _asked(
    step: _Step, program: Any, built: Lowering, facts: ProgramFacts, noted: dict[str, str]
) -> tuple[Run, str]:
    """Return how to ask the artifact, or what stands in for it, and the name of that point of comparison."""
    path = step.folder / "model.pte"
    digest = _write(path, built.data)
    if not not_run(step.plan):
        step.session.load(path, digest, any("quantized" in name for name in facts.kernels))
        return step.session.run, "pte"
    noted["answered by"], run = reference(step.plan, program)
    return run, STEP


def _ran(step: _Step, built: Lowering, facts: ProgramFacts) -> Answers:
    """What the artifact answers in the session's process."""
    path = step.folder / "model.pte"
    digest = _write(path, built.data)
    step.session.load(path, digest, any("quantized" in name for name in facts.kernels))
    return runtime_answers(step.session.run, step.model.parity, step.plan.inputs)


def _rewritten(
    plan: Plan, program: Any, before: Answers, parity: Sequence[Sample], integers: Sequence[bool] = ()
) -> Rewriting:
    """Rewrite the exported graph."""

    def ask(changed: Any) -> Answers:
        return answers(changed.module(check_guards=False), parity, plan.inputs)

    def hold(exported: Answers, found: Answers) -> Boundary:
        points, limits = {"exported": exported, "rewritten": found}, {"rewritten": rewriting_limit(plan)}
        ids, given = [sample.id for sample in parity], functools.partial(different, parity, plan.inputs, FULL)
        return compare(points, ids, limits, _decides(plan), integers, given)[0]

    return rewrite(plan, program, before, ask, hold)


def _material(step: _Step, size: int, dynamic: Any, noted: dict[str, str]) -> Material:
    """What the recipe may work with; the graph takes ``size`` samples at once. Raises Failure where data differ in range."""
    plan, loaded = step.plan, step.model.loaded
    refuse_other_ranges(plan, loaded.calibration, loaded.training, loaded.evaluation)
    return Material(
        model=loaded.model,
        example=loaded.example,
        dynamic=dynamic,
        inputs=plan.inputs,
        calibration=functools.partial(checked, plan.inputs, loaded.calibration, size),
        training=loaded.training,
        training_pass=functools.partial(checked, plan.inputs, loaded.training, role="training"),
        decides=_decides(plan),
        say=step.progress,
        record=noted.__setitem__,
        standing=_standing(plan, step.model) if plan.budgets_decide else None,
        delegate_options=plan.delegates[0].options,
    )


def _standing(plan: Plan, model: Opened) -> Standing:
    """What holds a graph's answers to the evaluation data against the accuracy budgets; eager's are computed once."""
    samples, inputs = model.loaded.evaluation, plan.inputs
    asked = replace(plan, budgets=tuple(budget for budget in plan.budgets if budget.kind == "accuracy"))
    names = [(sample.id, sample.label) for sample in samples]
    reference = model.reference or answers(model.loaded.model, samples, inputs, model.size)

    def standing(program: Any) -> Status:
        graph = unguarded(program)
        found = answers(graph, samples, inputs, batch_size(graph, samples, inputs))
        arrays = evaluation([name for name, _ in names], [label for _, label in names], found, reference)
        if arrays is None:
            return "inconclusive"
        figures = evaluation_figures(asked, evaluation_of(arrays))
        verdicts = {verdict.status for verdict in judge(asked, Measured(figures=tuple(figures)))}
        order: tuple[Status, ...] = ("missed", "inconclusive", "met")
        return next(status for status in order if status in verdicts)

    return standing


def _judged(plan: Plan, points: dict[str, Answers], model: Opened) -> tuple[Boundary, ...]:
    ids, given = [sample.id for sample in model.parity], functools.partial(different, model.parity, plan.inputs, FULL)
    return compare(points, ids, limits(plan), _decides(plan), model.loaded.integers, given)


def _judged_whole(plan: Plan, answered: Answered, last: str, loaded: Loaded) -> tuple[Boundary, ...]:
    """Hold the artifact against eager over the whole evaluation set, where there is one."""
    if not answered.ids:
        return ()
    points = {"eager": answered.reference, last: answered.outputs}
    given = functools.partial(different, loaded.evaluation, plan.inputs, FULL)
    return compare(points, answered.ids, {last: limits(plan)["total"]}, _decides(plan), loaded.integers, given)


def _decides(plan: Plan) -> bool:
    """Whether the task takes the arg-max of the first output."""
    return bool(plugin("tasks", plan.task.name).DECIDES)


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
