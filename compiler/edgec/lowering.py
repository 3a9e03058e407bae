"""What happens inside a job, in order: load → export → quantize → lower → compare → evaluate, and the record of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgec.artifacts.codec import to_json
from edgec.artifacts.limit import Limit
from edgec.artifacts.lowered import Boundary, Lowered, Tensor
from edgec.artifacts.material import Material
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.registry import plugin
from edgec.runtime.inference import Answers, answers, batch_size, runtime_answers
from edgec.runtime.libraries import unavailable_kernels
from edgec.runtime.program import ProgramFacts, read_program
from edgec.runtime.session import Session
from edgec.stages.compare import compare
from edgec.stages.evaluate import Answered, evaluate, golden, parity_samples, write_evaluation
from edgec.stages.load import Loaded, load, refuse_changed
from edgec.stages.lower import Lowering, lower, refuse_unavailable
from edgec.stages.quantize import checked, export, quantize

TRIAL = Limit(sqnr=0.0, relative_error=2.0, agreement=0.0)
"""Still nearer to the model than to silence: with random weights, int8 MobileNetV3 came to 8 dB, EfficientNet to 3."""

PACKAGES = ("torch", "torchvision", "torchao", "executorch")

Progress = Callable[[str], None]


def lowering(plan: Plan, project: Project, folder: Path, progress: Progress) -> Lowered:
    """Load → export → quantize → lower → compare; the artifact runs in a process of its own. Writes into ``folder``.

    Raises Failure of any step; ``digest-mismatch`` where an input file is no longer what the plan was made from.
    """
    inputs, project = plan.inputs, replace(project, files=plan.files)
    # Its imports run beside the lowering.
    with Session(folder) as session:
        with _timed("load", progress):
            loaded = load(plan, project)
            parity, origin = parity_samples(inputs, loaded.evaluation, loaded.calibration)
        with _timed("export", progress):
            program = export(plan, loaded.model, loaded.example, loaded.dynamic, project.root)
        with _timed("compare eager with exported", progress):
            size, graph = batch_size(loaded.model, parity, inputs), program.module(check_guards=False)
            graph_size = batch_size(graph, parity, inputs)
            points = {"eager": answers(loaded.model, parity, inputs, size)}
            points["exported"] = answers(graph, parity, inputs, graph_size)
            del graph
        with _timed("quantize", progress):
            quantized = quantize(plan, program, _material(plan, loaded, graph_size))
        if quantized is not program:
            with _timed("compare exported with quantized", progress):
                points["quantized"] = answers(quantized.module(check_guards=False), parity, inputs, graph_size)
        with _timed("lower", progress):
            built = lower(plan, quantized)
            facts = read_program(built.data)
            if facts.kernels:
                refuse_unavailable(tuple(facts.kernels), unavailable_kernels(facts.kernels))
        with _timed("compare with the artifact in a fresh process", progress):
            digest = _write(folder / "model.pte", built.data)
            session.load(folder / "model.pte", digest, any("quantized" in name for name in facts.kernels))
            points["pte"] = runtime_answers(session.run, parity, inputs)
            boundaries = _judged(plan, points, parity)
        with _timed("evaluate", progress):
            answered = evaluate(loaded.model, session.run, loaded.evaluation, inputs, size)
            boundaries += _judged_whole(plan, answered)
    refuse_changed(project)  # every input has been read by now
    evidence = _Evidence(answered=answered, boundaries=boundaries, parity=parity, found=points["pte"], origin=origin)
    return _record(plan, loaded, folder, built, facts, evidence)


def _material(plan: Plan, loaded: Loaded, size: int) -> Material:
    """What the recipe may work with; the graph takes ``size`` samples at once."""
    return Material(
        model=loaded.model,
        example=loaded.example,
        dynamic=loaded.dynamic,
        inputs=plan.inputs,
        calibration=functools.partial(checked, plan.inputs, loaded.calibration, size),
        training=loaded.training,
    )


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    answered: Answered
    boundaries: tuple[Boundary, ...]
    parity: list[Sample]
    found: Answers
    origin: str


def _judged(plan: Plan, points: dict[str, Answers], parity: Sequence[Sample]) -> tuple[Boundary, ...]:
    return compare(points, [sample.id for sample in parity], _limits(plan), _decides(plan))


def _judged_whole(plan: Plan, answered: Answered) -> tuple[Boundary, ...]:
    """Hold the artifact against eager over the whole evaluation set, where there is one."""
    if not answered.ids:
        return ()
    limits = {"pte": _limits(plan)["total"]}
    points = {"eager": answered.reference, "pte": answered.outputs}
    return compare(points, answered.ids, limits, _decides(plan))


def _limits(plan: Plan) -> Mapping[str, Limit]:
    """The recipe's limits; TRIAL for random weights, which amplify every rounding and are not for release."""
    limits: Mapping[str, Limit] = plugin("recipes", plan.recipe.name).LIMITS
    if plan.release:
        return limits
    return {name: TRIAL if name != "exported" else limit for name, limit in limits.items()}


def _decides(plan: Plan) -> bool:
    """Whether the task takes the arg-max of the first output."""
    return "top1" in plugin("tasks", plan.task.name).METRICS


def _record(
    plan: Plan, loaded: Loaded, folder: Path, built: Lowering, facts: ProgramFacts, evidence: _Evidence
) -> Lowered:
    """Write answers, golden vectors and lowered.json; return the last."""
    outputs = tuple(replace(item, name=name) for name, item in zip(loaded.outputs, facts.outputs, strict=True))
    shapes = [tuple(axis.maximum for axis in item.shape) for item in plan.inputs]
    vectors, largest = golden(folder, evidence.parity, evidence.found, plan.inputs, outputs)
    lowered = Lowered(
        recipe=plan.recipe.name,
        pte_sha256=hashlib.sha256(built.data).hexdigest(),
        pte_bytes=len(built.data),
        inputs=tuple(
            Tensor(name=item.name, dtype=item.dtype, shape=shape)
            for item, shape in zip(plan.inputs, shapes, strict=True)
        ),
        outputs=outputs,
        kernels=tuple(facts.kernels),
        backends=facts.backends,
        operators=built.operators,
        memory=facts.memory,
        boundaries=evidence.boundaries,
        golden=vectors,
        tolerance=plugin("recipes", plan.recipe.name).TOLERANCE,
        output_range=largest,
        evaluation=write_evaluation(folder, evidence.answered) if evidence.answered.ids else None,
        resolved={"compared on": evidence.origin},
        parameters=loaded.parameters,
        versions={name: found for name in PACKAGES if (found := _version(name))},
        weights_sha256=loaded.weights_sha256,
        weights_file_sha256=loaded.weights_file_sha256,
    )
    text = json.dumps(to_json(lowered), indent=1, sort_keys=True, allow_nan=False)
    (folder / "lowered.json").write_text(text + "\n", encoding="utf-8")
    return lowered


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@contextlib.contextmanager
def _timed(step: str, progress: Progress) -> Iterator[None]:
    start = time.perf_counter()
    yield
    progress(f"{step} {time.perf_counter() - start:.1f} s")
