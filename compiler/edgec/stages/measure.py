"""Figures of one plan: read off the artifact, computed from its answers, and clocked where this host is the target's kind."""

from __future__ import annotations

from pathlib import Path

from edgec.artifacts.bundle import Runner
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.manifest import Options
from edgec.artifacts.measured import SAMPLES_FOR, Figure, Measured
from edgec.artifacts.plan import Plan
from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.metrics.interval import paired_drop, share_interval
from edgec.registry import plugin
from edgec.runtime.bench import bench
from edgec.runtime.host import cpu_name, same_kind


def measure(plan: Plan, lowered: Lowered, folder: Path, runner: Runner) -> Measured:
    """Return every figure that can be had here; ``folder`` is the job's, with model.pte and the evaluation's answers."""
    figures = artifact_figures(lowered)
    if lowered.evaluation:
        figures += accuracy_figures(plan, folder / lowered.evaluation)
    if same_kind(plan.target):
        figures += clocked_figures(plan, lowered, folder, runner)
    return Measured(figures=tuple(figures))


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


def accuracy_figures(plan: Plan, answers: Path) -> list[Figure]:
    """Return metrics on the evaluation set: the artifact's, eager fp32's, and the paired drop between the two."""
    evaluation = read_evaluation(answers)
    task = plugin("tasks", plan.task.name)
    budgeted = {budget.statistic: budget.options for budget in plan.budgets if budget.kind == "accuracy"}
    wanted: dict[str, Options] = {name: {} for name in (*task.METRICS[:1], "agreement", "sqnr")} | budgeted
    figures: list[Figure] = []
    for name, options in wanted.items():
        if evaluation.labels is not None or not plugin("metrics", name).NEEDS_LABELS:
            figures += _metric_figures(name, options, evaluation)
        elif name in budgeted:
            raise _unlabelled(name, plan.manifest)
    return figures


def _unlabelled(metric: str, manifest: str) -> Failure:
    message = f"the budget of {metric} compares with the truth, and the evaluation data has no labels"
    where = Location(file=manifest, route=("data", "evaluation"))
    hint = "add labels to the data, or budget agreement"
    return Failure(Diagnostic(code="needs-data", message=message, where=where, hint=hint))


def read_evaluation(answers: Path) -> Evaluation:
    """Read the job's evaluation.npz."""
    import numpy as np

    with np.load(answers, allow_pickle=False) as arrays:
        count = sum(name.startswith("output.") for name in arrays.files)
        return Evaluation(
            ids=tuple(str(item) for item in arrays["ids"]),
            outputs=tuple(arrays[f"output.{index}"] for index in range(count)),
            reference=tuple(arrays[f"reference.{index}"] for index in range(count)),
            labels=arrays["labels"] if "labels" in arrays.files else None,
        )


def _metric_figures(name: str, options: Options, evaluation: Evaluation) -> list[Figure]:
    metric = plugin("metrics", name)
    unit = "share" if metric.SHARE else getattr(metric, "UNIT", "")
    points = "points" if metric.SHARE else unit

    def figure(part: str, value: float, unit: str, interval: tuple[float, float] | None = None) -> Figure:
        return Figure(
            name=f"accuracy.{name}{part}",
            value=value,
            unit=unit,
            evidence="host",
            samples=len(evaluation.ids),
            interval=interval,
        )

    value = metric.value(evaluation, options)
    if not metric.PAIRED:
        return [figure("", value, unit)]
    actual = metric.scores(evaluation.outputs, evaluation, options)
    before = metric.scores(evaluation.reference, evaluation, options)
    drop, spread = paired_drop(before, actual)
    return [
        figure("", value, unit, share_interval(actual) if metric.SHARE else None),
        figure(".fp32", float(before.mean()), unit),
        figure(".drop", drop, points, spread),
    ]


def clocked_figures(plan: Plan, lowered: Lowered, folder: Path, runner: Runner) -> list[Figure]:
    """Return latency, throughput and peak memory of the bundle's own runner, on this host, with the plan's threads.

    A percentile that needs more samples than were taken is left out.
    """
    asked = [SAMPLES_FOR.get(budget.statistic, 0) for budget in plan.budgets if budget.kind == "latency"]
    samples = max([256, *asked])
    result = bench(plan, lowered, folder, runner, samples)
    detail = {"threads": result["threads"], "cpu": cpu_name(), "warmup": result["warmup"]}

    def figure(name: str, value: float, unit: str) -> Figure:
        return Figure(name=name, value=value, unit=unit, evidence="host", samples=samples, clocked=True, detail=detail)

    return [
        *(
            figure(f"latency.{name}", seconds, "s")
            for name, seconds in result["latency_s"].items()
            if SAMPLES_FOR.get(name, 0) <= samples
        ),
        figure("throughput", result["throughput_hz"], "Hz"),
        figure("memory.rss", result["peak_rss_bytes"], "bytes"),
        figure("load", result["load_s"], "s"),
    ]
