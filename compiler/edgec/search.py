"""A policy over candidates: which is lowered next, which are clocked, who wins, and what is nearest when none does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from math import inf, isfinite
from typing import TypeVar

from edgec.artifacts.manifest import Search
from edgec.artifacts.measured import Verdict
from edgec.artifacts.quantity import stated
from edgec.artifacts.search import Relaxation, Searched, Trial
from edgec.diagnostics import Diagnostic, Location
from edgec.registry import plugin
from edgec.stages.judge import smallest_relaxation

Item = TypeVar("Item")

TIE = 0.03
"""Figures this near to the best count as equal, unless they are read off the artifact: two clocks of one artifact differ
by as much, and a count of instructions says less about time than that."""

PLENTY = 3
"""So many relaxations are told."""


def interleaved(groups: Iterable[Sequence[Item]]) -> list[Item]:
    """Return the first of each group, then the second of each …: no target waits for all candidates of another."""
    missing = object()
    rows = zip_longest(*groups, fillvalue=missing)
    return [item for row in rows for item in row if item is not missing]  # type: ignore[misc]


def worth_clocking(trials: Sequence[Trial], strict: bool) -> list[int]:
    """Return, smallest artifact first, the candidates whose speed decides something.

    Those that keep every budget judged so far; where none does, all that were lowered, so that the front is known.
    """
    judged = [index for index, trial in enumerate(trials) if trial.measured and not trial.diagnostics]
    passing = [index for index in judged if passes(trials[index], strict)]
    return sorted(passing or judged, key=lambda index: _value(trials[index], "size"))


def passes(trial: Trial, strict: bool) -> bool:
    """Whether a candidate may win: no budget is missed nor, when ``strict``, left open."""
    return trial.standing == "passed" or (trial.standing == "inconclusive" and not strict)


def winner(trials: Sequence[Trial], search: Search, strict: bool) -> tuple[int | None, str]:
    """Return the best that passes by the search's objective, and the figure that decided.

    One whose budgets are all met goes before one with a budget left open. The smaller wins a tie, then the earlier.
    """
    passing = [index for index, trial in enumerate(trials) if passes(trial, strict)]
    pool = [index for index in passing if trials[index].standing == "passed"] or passing
    if not pool:
        return None, ""
    rank = ranking([trials[index] for index in pool], search)
    values = {index: _value(trials[index], rank) for index in pool}
    best = min(values.values())
    margin = TIE * best if _uncertain(trials[pool[0]], rank) else 0.0
    tied = [index for index in pool if values[index] <= best + margin]
    return min(tied, key=lambda index: (_value(trials[index], "size"), index)), rank


def ranking(trials: Sequence[Trial], search: Search) -> str:
    """Return the name of the strongest figure of the objective that all of ``trials`` have; their size, where none."""
    names = {
        "latency": ("latency.p50", "instructions", "cost"),
        "memory": ("memory.rss", "memory.planned"),
        "size": ("size",),
    }[search.objective]
    return next((name for name in names if all(trial.figure(name) for trial in trials)), "size")


def concluded(trials: Sequence[Trial], strict: bool, seconds: float) -> Searched | None:
    """Return what a search ends with, every candidate carried as far as it came; None for a plan without search."""
    search = trials[0].plan.search
    if search is None:
        return None
    won, rank = winner(trials, search, strict)
    judged = [index for index, trial in enumerate(trials) if trial.measured and not (trial.diagnostics or trial.untried)]
    wanting = [(_missing(trials[index], strict), index) for index in judged]
    nearest = min(wanting, default=(0.0, None), key=lambda entry: entry[0])[1] if won is None else None
    missed = wanted(trials[nearest], strict) if nearest is not None else []
    binding = max(missed, key=shortfall).budget.name if missed else ""
    return Searched(
        search=search,
        trials=tuple(trials),
        winner=won,
        rank=rank,
        front=front([trials[index] for index in judged], judged, search),
        nearest=nearest,
        binding=binding,
        relaxations=() if won is not None else relaxations(trials, judged, strict),
        seconds=seconds,
    )


def refusals(trials: Sequence[Trial], chosen: Trial | None) -> tuple[Diagnostic, ...]:
    """Return why there is no bundle: what ends the whole build, or that no candidate came far enough; else nothing.

    A candidate that does not lower or compare is a row of the table; a changed input, a full disk or code that is not
    trusted is no candidate's fault.
    """
    told = dict.fromkeys(item for trial in trials for item in trial.diagnostics)
    grave = tuple(item for item in told if item.exit_code not in (1, 4, 6) and item.code != "job-killed")
    if grave or (chosen is not None and not chosen.diagnostics):
        return grave
    return tuple(told) or (_nothing_tried(trials[0]),)


def _nothing_tried(trial: Trial) -> Diagnostic:
    message = f"{trial.plan.target.name}: the time of the search was over before a candidate was lowered"
    where = Location(file=trial.plan.manifest, route=(trial.plan.search.route if trial.plan.search else ()))
    return Diagnostic(code="nothing-tried", message=message, where=where, hint="raise `time_limit`, or run again")


def findings(searched: Searched | None) -> tuple[Diagnostic, ...]:
    """Return the error that says that no candidate passes, and warnings of those that failed for no fault of theirs."""
    if searched is None:
        return ()
    found = [
        replace(item, severity="warning", message=f"{trial.label}: {item.message}")
        for trial in searched.trials
        for item in trial.diagnostics
        if item.exit_code != 4
    ]
    if searched.winner is None and searched.chosen:
        trial = searched.chosen
        untried = sum(item.standing == "untried" for item in searched.trials)
        tried = len(searched.trials) - untried
        which = f"none of {tried} candidates keeps" if tried > 1 else "the one candidate that was tried does not keep"
        message = f"{trial.plan.target.name}: {which} every budget"
        near = f"; the nearest is {trial.label}, which {searched.binding} keeps back"
        texts = ", or ".join(item.text for item in searched.relaxations)
        hints = [f"the smallest relaxations that one would pass with: {texts}"] if texts else []
        if untried:
            near += f"; {untried} {'was' if untried == 1 else 'were'} not tried: the time limit was reached"
            hints.insert(0, "raise `time_limit`")
        hint = "; ".join(hints) or None
        where = Location(file=trial.plan.manifest, route=searched.search.route)
        found.insert(0, Diagnostic(code="budget-missed", message=message + near, where=where, hint=hint))
    return tuple(found)


def front(trials: Sequence[Trial], names: Sequence[int], search: Search) -> tuple[int, ...]:
    """Return, by their ``names``, those that no other is at least as good as in every respect and better in one."""
    points = [_point(trial, _axes(trials, search)) for trial in trials]
    return tuple(
        name for name, point in zip(names, points, strict=True) if not any(dominates(other, point) for other in points)
    )


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether ``one`` is nowhere above ``other`` and somewhere below; less is better in every coordinate."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def wanted(trial: Trial, strict: bool) -> list[Verdict]:
    """Return the verdicts that keep a candidate from winning."""
    short = ("missed", "inconclusive") if strict else ("missed",)
    return [verdict for verdict in trial.verdicts if verdict.status in short]


def relaxations(trials: Sequence[Trial], judged: Sequence[int], strict: bool) -> tuple[Relaxation, ...]:
    """Return the least changes of limits that would each let a candidate pass, the smallest first, at most PLENTY."""
    found = [item for index in judged if (item := _relaxation(index, trials[index], strict))]
    found.sort(key=lambda item: item.shortfall)
    # One that asks for the limits of a smaller one and more says nothing new.
    told: list[Relaxation] = []
    for item in found:
        if not any({name for name, _ in other.limits} <= {name for name, _ in item.limits} for other in told):
            told.append(item)
    return tuple(told[:PLENTY])


def shortfall(verdict: Verdict) -> float:
    """Return how far a budget is missed: of shares the difference, of all else the part of the limit.

    Infinite where no limit can be said: nothing was measured for it.
    """
    wider = smallest_relaxation(verdict)
    if wider is None:
        return inf
    missing, limit = abs(wider[0] - verdict.budget.limit), abs(verdict.budget.limit)
    return missing if wider[1] in ("share", "points") or not limit else missing / limit


def _missing(trial: Trial, strict: bool) -> float:
    return sum(shortfall(verdict) for verdict in wanted(trial, strict))


def _relaxation(index: int, trial: Trial, strict: bool) -> Relaxation | None:
    """What would let one candidate pass; None where no limit of a manifest would."""
    short, missing = wanted(trial, strict), _missing(trial, strict)
    if not short or not isfinite(missing):
        return None
    limits = []
    for verdict in short:
        value, unit = smallest_relaxation(verdict) or (inf, "")
        limits.append((verdict.budget, stated(value, unit, up=verdict.budget.sense != "min")))
    told = " and ".join(f"{budget.name} {text} instead of {budget.text}" for budget, text in limits)
    named = tuple((budget.name, text) for budget, text in limits)
    return Relaxation(candidate=index, limits=named, shortfall=missing, text=f"{told} ({trial.label})")


def _axes(trials: Sequence[Trial], search: Search) -> list[tuple[str, float]]:
    """The figures that a front is over, all of which every candidate has, with 1 where less is better and -1 else."""
    if not trials:
        return []
    memory = next((name for name in ("memory.rss", "memory.planned") if all(t.figure(name) for t in trials)), "size")
    speed = ranking(trials, Search(recipes=(), delegates=(), objective="latency"))
    names = [("size", 1.0), (speed, 1.0), (memory, 1.0)]
    metric = _metric(trials[0])
    if metric and all(trial.figure(f"accuracy.{metric}") for trial in trials):
        names.append((f"accuracy.{metric}", -1.0 if plugin("metrics", metric).HIGHER_IS_BETTER else 1.0))
    return names


def _metric(trial: Trial) -> str:
    """The first metric with a budget, else the task's first."""
    budgeted = [budget.statistic for budget in trial.plan.budgets if budget.kind == "accuracy"]
    metrics: tuple[str, ...] = plugin("tasks", trial.plan.task.name).METRICS
    return (*budgeted, *metrics)[0]


def _point(trial: Trial, axes: Sequence[tuple[str, float]]) -> tuple[float, ...]:
    return tuple(sign * _value(trial, name) for name, sign in axes)


def _value(trial: Trial, name: str) -> float:
    figure = trial.figure(name)
    assert figure is not None, f"{trial.label} has no {name}"
    return figure.value


def _uncertain(trial: Trial, name: str) -> bool:
    figure = trial.figure(name)
    return figure is not None and figure.evidence != "artifact"
