"""Figures of one plan: read off the artifact, computed from its answers, and clocked where this host is the target's kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from edgec.artifacts.benched import PARTS, PASSES, SHORT_LOAD, timings
from edgec.artifacts.bundle import Runner
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.manifest import Budget, Options
from edgec.artifacts.measured import SAMPLES_FOR, Figure
from edgec.artifacts.plan import Plan
from edgec.artifacts.samples import Evaluation
from edgec.artifacts.slices import members
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.metrics.agreement import same_decision
from edgec.metrics.interval import discordance, mean_interval, paired_drop, percentiles, share_interval
from edgec.registry import plugin
from edgec.runtime.bench import Asked, bench
from edgec.runtime.host import cpu_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

Interval: TypeAlias = "tuple[float, float]"
Scores: TypeAlias = "tuple[NDArray[Any], NDArray[Any]]"


SAMPLES = 256
"""Inferences that are clocked where no budget asks for more."""

PORTABLE_COST = 300.0
"""MobileNetV2 at 224 x 224 took 2.9 ms on XNNPACK and a second and more in portable kernels, on one x86-64 machine."""


def estimated_figures(lowered: Lowered) -> list[Figure]:
    """Return what the delegate's compiler estimates of the device."""
    units = {"cycles": "cycles", "latency": "s", "memory": "bytes"}
    return [
        Figure(name=name, value=value, unit=units[name.partition(".")[0]], evidence="estimated")
        for name, value in sorted(lowered.estimates.items())
    ]


def artifact_figures(lowered: Lowered) -> list[Figure]:
    """Return what the bytes of the artifact say: its size, the share delegated, the memory it plans."""
    memory = lowered.memory
    planned = sum(memory.arenas) + memory.weights + memory.constants + memory.delegate_blobs
    return [
        Figure(name="size", value=lowered.pte_bytes, unit="bytes", evidence="artifact"),
        Figure(
            name="delegation",
            value=lowered.delegation,
            unit="share",
            evidence="artifact",
            detail={"left": {item.name: item.left for item in lowered.operators if item.left}},
        ),
        Figure(
            name="memory.planned",
            value=planned,
            unit="bytes",
            evidence="artifact",
            detail={
                "arenas": list(memory.arenas),
                "delegates": memory.delegate_blobs,
                "weights": memory.weights,
                "constants": memory.constants,
            },
        ),
    ]


def cost_figure(lowered: Lowered) -> Figure:
    """Return what ranks artifacts where nothing can be run: bytes that an inference touches, weighed by who touches them.

    A bound on memory traffic, times PORTABLE_COST for the share of operators outside the delegates. It is no time.
    """
    memory = lowered.memory
    touched = sum(memory.arenas) + memory.weights + memory.constants + memory.delegate_blobs
    weight = lowered.delegation + PORTABLE_COST * (1 - lowered.delegation)
    return Figure(name="cost", value=touched * weight, unit="", evidence="estimated", detail={"bytes": touched})


def evaluation_figures(plan: Plan, evaluation: Evaluation) -> list[Figure]:
    """Return metrics on the evaluation set and its slices: the artifact's, eager fp32's, and the paired drop between them.

    Where a budget asks for it, also the share of decisions that differ from fp32's (``accuracy.flips``). Windows of
    recordings count for the metrics that ask for them, and for no other. Raises Failure, at the evaluation data, where a
    metric that a budget asks for finds nothing to judge there.
    """
    return figures_and_gaps(plan, evaluation)[0]


def figures_and_gaps(plan: Plan, evaluation: Evaluation) -> tuple[list[Figure], list[Diagnostic]]:
    """Return ``evaluation_figures``, and a warning for each metric that finds nothing to judge and that no budget asks for."""
    task = plugin("tasks", plan.task.name)
    image = plan.inputs[0].image if plan.inputs else None
    everything = replace(evaluation, task=plan.task.options, classes=plan.labels, image=image, hop=_hop(plan))
    evaluation = everything.of_classes() if plan.labels or task.DECIDES == "sample" else everything
    asked = [budget for budget in plan.budgets if budget.kind == "accuracy"]
    budgeted = {budget.statistic: budget.options for budget in asked if budget.sense != "max_flips"}
    usual = [name for name in ("agreement", "sqnr") if name in task.METRICS]
    wanted: dict[str, Options] = {name: {} for name in (*task.METRICS[:1], *usual)} | budgeted
    figures: list[Figure] = []
    gaps: list[Diagnostic] = []
    for name, options in wanted.items():
        if evaluation.labels is not None or not plugin("metrics", name).NEEDS_LABELS:
            whole = getattr(plugin("metrics", name), "RECORDINGS", False)
            try:
                figures += _metric_figures(name, options, everything.of_recordings() if whole else evaluation)
            except Failure as failure:
                found = [_at_data(item, plan.manifest) for item in failure.diagnostics]
                if name in budgeted:
                    raise Failure(*found) from failure
                gaps += [replace(item, severity="warning", message=f"{name} is left out: {item.message}") for item in found]
        elif name in budgeted:
            raise _unlabelled(name, plan.manifest)
    if any(budget.sense == "max_flips" and budget.slice is None for budget in asked):
        figures.append(_flips(evaluation))
    return figures + _slice_figures(plan, evaluation), gaps


def _at_data(item: Diagnostic, manifest: str) -> Diagnostic:
    """What a metric finds wrong with the truth, at its place in the manifest."""
    return replace(item, where=Location(file=manifest, route=("data", "evaluation")))


def _hop(plan: Plan) -> float | None:
    """The time in seconds from one window to the next, where the model hears a stream."""
    return next((item.stream.hop / item.stream.rate for item in plan.inputs if item.stream), None)


def _slice_figures(plan: Plan, evaluation: Evaluation) -> list[Figure]:
    """Return the figures that budgets on slices need; none for a slice in which the metric finds nothing to judge.

    A sample's score is the one that it has in the whole data, where its nearest neighbour, for one, may be in another slice.
    """
    figures: dict[str, Figure] = {}
    scored: dict[str, Scores] = {}
    for budget in plan.budgets:
        part = budget.slice
        if part is None:
            continue
        positions = members(part, evaluation.ids, evaluation.labels, plan.labels)
        if not positions.size:
            continue
        name, flips = budget.statistic, budget.sense == "max_flips"
        if not flips and plugin("metrics", name).PAIRED and name not in scored:
            scored[name] = _scores(name, budget.options, evaluation)
        if flips:
            found = [_flips(evaluation.at(positions))]
        elif name in scored:
            found = _paired_figures(name, *(scores[positions] for scores in scored[name]))
        else:
            found = _figures_or_none(name, budget.options, evaluation.at(positions))
        for figure in found:
            full = f"{figure.name}[{part.by} {part.name}]"
            figures[full] = replace(figure, name=full)
    return list(figures.values())


def _figures_or_none(name: str, options: Options, evaluation: Evaluation) -> list[Figure]:
    """The figures of a slice, none where it holds nothing that the metric could be right or wrong about."""
    try:
        return _metric_figures(name, options, evaluation)
    except Failure:  # what is wrong with the truth of all samples is told of all samples
        return []


def _flips(evaluation: Evaluation) -> Figure:
    """The share of samples that the artifact decides otherwise than eager fp32, right or wrong."""
    changed = 1.0 - same_decision(evaluation.reference[0], evaluation.outputs[0])
    counted = share_interval(changed)  # None where a sample is decided at many places, and its share is between 0 and 1
    return Figure(
        name="accuracy.flips",
        value=float(changed.mean()),
        unit="share",
        evidence="host",
        samples=len(evaluation.ids),
        interval=counted or mean_interval(changed),
        detail={} if counted or len(changed) < 2 else {"deviation": float(changed.std(ddof=1))},
    )


def _unlabelled(metric: str, manifest: str) -> Failure:
    message = f"the budget of {metric} compares with the truth, and the evaluation data has no labels"
    where = Location(file=manifest, route=("data", "evaluation"))
    hint = "add labels to the data, or budget agreement"
    return Failure(Diagnostic(code="needs-data", message=message, where=where, hint=hint))


def read_evaluation(answers: Path) -> Evaluation:
    """Read the job's evaluation.npz."""
    import numpy as np

    with np.load(answers, allow_pickle=False) as arrays:
        return evaluation_of({name: arrays[name] for name in arrays.files})


def evaluation_of(arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
    """Return the Evaluation that the arrays of an evaluation.npz hold."""
    count = sum(name.startswith("output.") for name in arrays)
    return Evaluation(
        ids=tuple(str(item) for item in arrays["ids"]),
        outputs=tuple(arrays[f"output.{index}"] for index in range(count)),
        reference=tuple(arrays[f"reference.{index}"] for index in range(count)),
        labels=arrays.get("labels"),
    )


def _metric_figures(name: str, options: Options, evaluation: Evaluation) -> list[Figure]:
    metric = plugin("metrics", name)
    count = len(evaluation.ids)
    if metric.PAIRED:
        return _paired_figures(name, *_scores(name, options, evaluation))
    value = metric.value(evaluation, options)
    if getattr(metric, "RESAMPLED", False):
        before, better = metric.value(replace(evaluation, outputs=evaluation.reference), options), metric.HIGHER_IS_BETTER
        sampled = metric.resampled(evaluation, options)
        detail = metric.detail(evaluation, options) if hasattr(metric, "detail") else {}
        difference = sampled[1] - sampled[0] if better else sampled[0] - sampled[1]
        return [
            _figure(name, "", value, count, percentiles(sampled[0]), **detail),
            _figure(name, ".fp32", before, count, percentiles(sampled[1])),
            _figure(
                name,
                ".drop",
                before - value if better else value - before,
                count,
                percentiles(difference),
                deviation=float(difference.std() * count**0.5),  # of one sample, did they add up
            ),
        ]
    spread = getattr(metric, "interval", None)
    detail = metric.detail(evaluation, options) if hasattr(metric, "detail") else {}
    return [_figure(name, "", value, count, spread(evaluation, options) if spread else None, **detail)]


def _scores(name: str, options: Options, evaluation: Evaluation) -> Scores:
    """Each sample's score by a metric that is a mean of such: the artifact's and eager fp32's."""
    metric = plugin("metrics", name)
    return (
        metric.scores(evaluation.outputs, evaluation, options),
        metric.scores(evaluation.reference, evaluation, options),
    )


def _paired_figures(name: str, actual: NDArray[Any], before: NDArray[Any]) -> list[Figure]:
    metric, count = plugin("metrics", name), len(actual)
    better, worse = (before, actual) if metric.HIGHER_IS_BETTER else (actual, before)
    drop, spread = paired_drop(better, worse, shares=metric.SHARE)
    return [
        _figure(name, "", float(actual.mean()), count, share_interval(actual) if metric.SHARE else None),
        _figure(name, ".fp32", float(before.mean()), count),
        _figure(name, ".drop", drop, count, spread, **discordance(better, worse, shares=metric.SHARE)),
    ]


def _figure(
    metric: str, part: str, value: float, samples: int, interval: Interval | None = None, **detail: Json
) -> Figure:
    """One figure of a metric; ``part`` is empty, ``.fp32`` or ``.drop``, which of a share is in percentage points."""
    share = plugin("metrics", metric).SHARE
    unit = ("points" if part == ".drop" else "share") if share else getattr(plugin("metrics", metric), "UNIT", "")
    return Figure(
        name=f"accuracy.{metric}{part}",
        value=value,
        unit=unit,
        evidence="host",
        samples=samples,
        interval=interval,
        detail=detail,
    )


def asked(plan: Plan, sustained: bool = False) -> Asked:
    """Return what the plan's budgets need of a bench; loads of more than SHORT_LOAD only where ``sustained`` is asked for."""
    speed = [budget for budget in plan.budgets if budget.kind in ("latency", "throughput")]
    whole = [budget for budget in speed if budget.of == "pipeline" or budget.after]
    loads = {budget.after for budget in whole if budget.after and (sustained or budget.after <= SHORT_LOAD)}
    return Asked(
        samples=max([SAMPLES, *(_needed(budget) for budget in speed if budget not in whole)]),
        passes=max([PASSES, *(_needed(budget) for budget in whole)]),
        loads=tuple(sorted(loads)),
    )


def _needed(budget: Budget) -> int:
    return SAMPLES_FOR.get(budget.statistic, 0)


def clocked_figures(plan: Plan, lowered: Lowered, folder: Path, runner: Runner, sustained: bool = False) -> list[Figure]:
    """Return latency, throughput and peak memory of the bundle's own runner, on this host, with the plan's threads.

    Of the execution alone, of the whole pipeline, and after load. A percentile that needs more samples than were taken is
    left out.
    """
    result = bench(plan, lowered, folder, runner, asked(plan, sustained))
    when = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail = {"threads": result["threads"], "cpu": cpu_name(), "warmup": result["warmup"], "clocked": when}
    inputs = {"inputs": result["pipeline"]["inputs"]} if "pipeline" in result else {}
    return [
        Figure(
            name=item.name,
            value=item.value,
            unit=item.unit,
            evidence="host",
            samples=item.samples,
            interval=item.interval,
            clocked=True,
            detail={**detail, **inputs} if set(PARTS.values()) & set(item.name.partition("[")[0].split(".")) else detail,
        )
        for item in timings(result)
        if SAMPLES_FOR.get(item.name.partition("[")[0].rpartition(".")[2], 0) <= item.samples
    ]
