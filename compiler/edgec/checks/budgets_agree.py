"""No two budgets of one list may exclude each other, limit the same thing twice, or say nothing beside another."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

from edgec.artifacts.manifest import Budget, Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at, budget_lists
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each pair of budgets that contradict each other or of which one is idle."""
    found = []
    for group in budget_lists(manifest):
        found += _twice(group) + _other_options(group) + _idle(group) + _idle_drops(group)
    return found


def _twice(group: tuple[Budget, ...]) -> list[Diagnostic]:
    """The same metric limited on the same side twice: one of the two says nothing, or both are typing errors."""
    first: dict[tuple[str, str], Budget] = {}
    found = []
    for budget in group:
        flips = budget.sense == "max_flips"  # whatever the metric, these are the same decisions
        key = (replace(budget, statistic="").name, "") if flips else (budget.name, str(sorted(budget.options.items())))
        if key in first:
            found.append(_contradict(f"{budget.name} is limited twice", budget, first[key]))
        first.setdefault(key, budget)
    return found


def _other_options(group: tuple[Budget, ...]) -> list[Diagnostic]:
    """A metric is one figure: asked for with other options it would be another one of the same name."""
    first: dict[str, Budget] = {}
    found = []
    for budget in group:
        if budget.kind != "accuracy" or budget.sense == "max_flips":
            continue
        other = first.setdefault(budget.statistic, budget)
        if other.options != budget.options:
            message = f"{budget.name} asks for {budget.statistic} with other options than {other.name}"
            hint = f"{budget.statistic} is measured once: give it the same options wherever it is limited"
            found.append(replace(_contradict(message, budget, other), hint=hint))
    return found


def _idle(group: tuple[Budget, ...]) -> list[Diagnostic]:
    """A percentile with a wider limit than a higher one has says nothing, and the execution none with a wider one than the
    pipeline that holds it; likely the two were exchanged."""
    limits = [budget for budget in group if budget.kind == "latency"]
    speeds = [budget for budget in group if budget.kind == "throughput"]
    found = []
    for extent, after in dict.fromkeys((budget.of, budget.after) for budget in limits):
        alike = [budget for budget in limits if (budget.of, budget.after) == (extent, after)]
        found += [
            pair for pair in pairwise(sorted(alike, key=lambda budget: budget.statistic)) if pair[0].limit > pair[1].limit
        ]
    found += [pair for pair in _within(limits) if pair[0].limit > pair[1].limit]
    found += [pair for pair in _within(speeds) if pair[0].limit < pair[1].limit]
    return [_idling(inner, outer, _why(inner, outer)) for inner, outer in found]


def _within(group: list[Budget]) -> list[tuple[Budget, Budget]]:
    """Return the pairs of a limit on the execution and the same on the pipeline, which holds it."""
    return [
        (inner, outer)
        for inner, outer in product(group, group)
        if (inner.of, outer.of) == ("model", "pipeline") and (inner.statistic, inner.after) == (outer.statistic, outer.after)
    ]


def _why(inner: Budget, outer: Budget) -> str:
    return f"{inner.name} is {'at least' if inner.sense == 'min' else 'at most'} {outer.name}"


def _idle_drops(group: tuple[Budget, ...]) -> list[Diagnostic]:
    """Of top-1 no more can be lost than decisions change: a wider limit on the drop than on the flips says nothing."""
    drops = [budget for budget in group if budget.sense == "max_drop" and budget.statistic == "top1"]
    flips = [budget for budget in group if budget.sense == "max_flips"]
    return [
        _idling(drop, flip, "a drop is at most the share of changed decisions")
        for drop in drops
        for flip in flips
        if drop.slice == flip.slice and drop.limit > flip.limit
    ]


def _idling(idle: Budget, other: Budget, because: str) -> Diagnostic:
    message = f"{idle.name} may be {idle.text} while {other.name} may only be {other.text}"
    hint = f"{because}, so its own limit says nothing; were the two exchanged?"
    return replace(_contradict(message, idle, other), severity="warning", hint=hint)


def _contradict(message: str, budget: Budget, other: Budget) -> Diagnostic:
    return Diagnostic(
        code="budgets-contradict",
        message=message,
        where=at(*budget.route),
        hint="keep one of the two",
        related=(("the other limit stands here", at(*other.route)),),
    )
