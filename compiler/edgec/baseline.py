"""An artifact of few bits held against fp32 of the same model on this machine: quantization that gains no time is pointless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgec import job
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.manifest import Choice
from edgec.artifacts.measured import in_threads, written
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.search import Trial
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.registry import plugin
from edgec.runtime.bench import Asked, bench
from edgec.runtime.host import same_kind
from edgec.stages.plan import lowering_key
from edgec.workshop import Workshop

FEW_BITS = ("int8", "int4")
"""Precisions of recipes that promise speed."""

ROUNDS = 2
FEWEST, SAMPLES = 8, 64
SECONDS = 2.0
"""Each artifact is clocked in turn, ROUNDS times SAMPLES inferences, fewer where a round would take longer than SECONDS."""


def baselines(work: Sequence[tuple[Plan, Project]]) -> list[tuple[Plan, Project]]:
    """Return the fp32 siblings of the plans whose quantization is to be compared, to be lowered too."""
    found = [(sibling, project) for plan, project in work if (sibling := fp32_sibling(plan)) is not None]
    return list({plan.lowering_key: (plan, project) for plan, project in found}.values())


def fp32_sibling(plan: Plan) -> Plan | None:
    """Return the plan of the same model in fp32; None where nothing is to be compared, or this is not the target's kind."""
    if plugin("recipes", plan.recipe.name).PRECISION not in (*FEW_BITS, "auto") or not same_kind(plan.target):
        return None
    bare = replace(plan, recipe=Choice(name="fp32"), search=None, budgets=())
    return replace(bare, lowering_key=lowering_key(bare))


def pointless(trial: Trial, shop: Workshop) -> tuple[Diagnostic, ...]:
    """Return a warning where ``trial``'s artifact is no faster here than fp32's, with both figures; else nothing.

    fp32's artifact is the one in the cache; where no build has made it, nothing is compared. Both are clocked now, in
    turn, and the better of each one's medians counts. Under --strict it is a note, unless --baseline asked for it: what a
    cache holds decides no exit code.
    """
    plan, lowered, folder = trial.plan, trial.lowered, trial.folder
    if lowered is None or folder is None or plugin("recipes", lowered.recipe).PRECISION not in FEW_BITS:
        return ()
    sibling = fp32_sibling(plan)
    entry = shop.cache.read("lowered", sibling.lowering_key) if sibling else None
    if sibling is None or entry is None:
        return ()
    try:
        quantized, float32 = _medians(((plan, lowered, folder), (sibling, job.read_lowered(entry), entry)), shop)
    except Failure as failure:  # the artifact itself has been clocked before: this is fp32's
        return tuple(
            replace(item, severity="note", message=f"fp32, to compare with: {item.message}") for item in failure.diagnostics
        )
    if quantized < float32:
        return ()
    settings = shop.settings
    message = (
        f"{plan.target.name}: {lowered.recipe} takes {written(quantized, 's')} at the median and fp32 {written(float32, 's')}, "
        f"both clocked here just now with {in_threads(plan.threads)}: the quantization gains no time"
    )
    smaller = written(job.read_lowered(entry).pte_bytes, "bytes"), written(lowered.pte_bytes, "bytes")
    return (
        Diagnostic(
            code="pointless-quantization",
            severity="note" if settings.strict and not settings.baseline else "warning",
            message=message,
            where=Location(file=plan.manifest, route=plan.recipe_route),
            hint=f"take fp32, unless its file is too large: {smaller[0]} in fp32, {smaller[1]} in {lowered.recipe}",
        ),
    )


def _medians(artifacts: Sequence[tuple[Plan, Lowered, Path]], shop: Workshop) -> list[float]:
    """The median latency of each, in seconds: the best of ROUNDS, taken in turn so that a slow moment hits both."""

    def round_of(samples: int) -> list[float]:
        medians = []
        for plan, lowered, folder in artifacts:
            runner = shop.runner(plan.target, lowered.backends, lowered.kernels)
            medians.append(float(bench(plan, lowered, folder, runner, Asked(samples=samples))["latency_s"]["p50"]))
        return medians

    shop.quiet()
    look = max(round_of(FEWEST))
    rounds = [round_of(max(FEWEST, min(SAMPLES, int(SECONDS / look)))) for _ in range(ROUNDS)]
    return [min(medians) for medians in zip(*rounds, strict=True)]
