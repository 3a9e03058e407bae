"""What a build would do for each target, and why: what is there, what has changed since the last build, what that one found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Budget
from edgec.artifacts.measured import Figure, Measured, written
from edgec.artifacts.plan import Plan, by_target
from edgec.artifacts.project import Project
from edgec.artifacts.settings import Settings
from edgec.artifacts.slices import standing
from edgec.built import Earlier, all_unchanged, built_record, last_build
from edgec.diagnostics import Failure
from edgec.stages.inputs import bundle_parts, changes, fingerprints, lowering_parts
from edgec.stages.judge import judge
from edgec.store.cache import Cache

Work = tuple[Plan, Project]
Action = Literal["nothing", "render", "lower"]
Standing = Literal["kept", "tight", "missed", "open", "device", "unknown"]

TIGHT = 0.1
"""A figure this near to its limit is one that a small change may carry over: a share of the limit, or of what lies above it."""

DERIVED = ("candidates", "manifest's text")
"""Parts of a bundle that change with others, which then say more."""


@dataclass(frozen=True, kw_only=True)
class Risk:
    """How one budget stands with the figures of the last build; ``value`` is the figure as people write it, or "".

    ``margin`` is how far the figure is on the good side of the limit. ``same`` says that it is the figure of the very artifact
    that this plan gives.
    """

    budget: Budget
    standing: Standing
    value: str
    margin: float
    same: bool


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a build would do for one plan. ``why`` are the parts that changed since the build at ``since``, or a reason.

    ``compared`` says that ``why`` are parts. ``facts`` is the lowered.json of an earlier build of the same lowering, or None.
    ``seconds`` is how long the last lowering of this target took, and ``size`` how large its artifact was, where they are
    known; ``same`` says that the size is of the very artifact that this plan gives. Each of the risks says so for itself.
    """

    plan: Plan
    action: Action
    why: tuple[str, ...]
    compared: bool
    since: str
    facts: Json
    seconds: float | None
    size: float | None
    same: bool
    risks: tuple[Risk, ...]


def forecasts(work: Sequence[Work], settings: Settings, cache: Cache) -> list[list[Forecast]]:
    """Return, for each target, a Forecast for each of its candidates. Bundles that are there are hashed; nothing is built."""
    groups = by_target(work)
    there = all_unchanged(groups, settings, cache)
    return [
        [_forecast(plan, project, [item for item, _ in group], found is not None, settings, cache) for plan, project in group]
        for group, found in zip(groups, there, strict=True)
    ]


def _forecast(
    plan: Plan, project: Project, plans: Sequence[Plan], done: bool, settings: Settings, cache: Cache
) -> Forecast:
    record = cache.peek("lowered", plan.lowering_key, "lowered.json")
    facts, earlier = json.loads(record) if record else None, last_build(plan, project, cache)
    action: Action = "nothing" if done else "render" if facts else "lower"
    why, compared = _why(action, plan, plans, earlier, settings, cache)
    same = bool(earlier and earlier.lowering == fingerprints(lowering_parts(plan)))
    figures = earlier.figures if earlier and (same or not plan.search) else ()
    read = _read_off(facts) if facts and (same or not plan.search) else {}
    size = facts["pte_bytes"] if facts else next((item.value for item in figures if item.name == "size"), None)
    return Forecast(
        plan=plan,
        action=action,
        why=why,
        compared=compared,
        since=earlier.time if earlier else "",
        facts=facts,
        seconds=(earlier.seconds or None) if earlier and action == "lower" else None,
        size=size,
        same=same or facts is not None,
        risks=tuple(
            _risk(plan, budget, read[budget.kind], True) if budget.kind in read else _risk(plan, budget, figures, same)
            for budget in plan.budgets
        ),
    )


def _read_off(facts: Json) -> dict[str, tuple[Figure, ...]]:
    """Return what a lowered.json says of its artifact, by kind of budget: other figures are its build's."""
    total = sum(operator["delegated"] + operator["left"] for operator in facts["operators"])
    delegated = sum(operator["delegated"] for operator in facts["operators"])
    share = delegated / total if total else 0.0
    return {
        "size": (Figure(name="size", value=facts["pte_bytes"], unit="bytes", evidence="artifact"),),
        "delegation": (Figure(name="delegation", value=share, unit="share", evidence="artifact"),),
    }


def _why(
    action: Action, plan: Plan, plans: Sequence[Plan], earlier: Earlier | None, settings: Settings, cache: Cache
) -> tuple[tuple[str, ...], bool]:
    """Return why that has to be done: the parts that changed (and True), or in words (and False)."""
    if action == "nothing":
        return ("made from the same, and every file of it is whole",), False
    if earlier is None:
        known = "; the lowering is in the cache" if action == "render" else ""
        return (f"no earlier build of this target is known here{known}",), False
    if action == "lower":
        found = changes(earlier.lowering, fingerprints(lowering_parts(plan)))
        if plan.search and plan.label != earlier.label:
            found = ()
        return (found, True) if found else (("its lowering is not in the cache",), False)
    found = changes(earlier.bundle, fingerprints(bundle_parts(plans, settings.strict, settings.baseline, settings.sustained)))
    plain = tuple(name for name in found if name not in DERIVED)
    if plain or found:
        return plain or tuple(name for name in found if name != "candidates") or ("what it is lowered from",), True
    if built_record(plans, settings, cache):
        return ("its bundle is missing or not whole, or the toolchain has changed",), False
    return ("the last build of it did not pass",), False


def _risk(plan: Plan, budget: Budget, figures: Sequence[Figure], same: bool) -> Risk:
    """Judge one budget by figures, which are of the very artifact where ``same``."""
    unknown = Risk(budget=budget, standing="unknown", value="", margin=0.0, same=same)
    try:
        (verdict,) = judge(replace(plan, budgets=(budget,)), Measured(figures=tuple(figures)))
    except (LookupError, Failure):
        return unknown
    if not figures:
        return unknown
    figure = verdict.figure
    standings: dict[str, Standing] = {"missed": "missed", "inconclusive": "open", "deferred": "device", "met": "kept"}
    found = replace(unknown, standing=standings[verdict.status], margin=standing(verdict).margin)
    if figure is None:
        return found
    found = replace(found, value=written(figure.value, figure.unit))
    room = 1 - budget.limit if figure.unit == "share" and budget.sense == "min" else abs(budget.limit)
    tight = verdict.status == "met" and abs(figure.value - budget.limit) < TIGHT * room
    return replace(found, standing="tight") if tight else found
