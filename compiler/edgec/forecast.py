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
    """How one budget stands with the figures of the last build; ``value`` is the figure as people write it, or ""."""

    budget: Budget
    standing: Standing
    value: str


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a build would do for one plan. ``why`` are the parts that changed since the build at ``since``, or a reason.

    ``compared`` says that ``why`` are parts. ``facts`` is the lowered.json of an earlier build of the same lowering, or None.
    ``seconds`` is how long the last lowering of this target took, and ``size`` how large its artifact was, where they are
    known; ``same`` says that they, and the risks, are of the very artifact that this plan gives.
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
        risks=tuple(_risk(plan, budget, figures) for budget in plan.budgets),
    )


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


def _risk(plan: Plan, budget: Budget, figures: Sequence[Figure]) -> Risk:
    """Judge one budget by the last build's figures."""
    try:
        (verdict,) = judge(replace(plan, budgets=(budget,)), Measured(figures=tuple(figures)))
    except (LookupError, Failure):
        return Risk(budget=budget, standing="unknown", value="")
    figure = verdict.figure
    value = written(figure.value, figure.unit) if figure else ""
    if verdict.status == "met" and figure:
        room = 1 - budget.limit if figure.unit == "share" and budget.sense == "min" else abs(budget.limit)
        near = abs(figure.value - budget.limit) < TIGHT * room
        return Risk(budget=budget, standing="tight" if near else "kept", value=value)
    standings: dict[str, Standing] = {"missed": "missed", "inconclusive": "open", "deferred": "device", "met": "kept"}
    return Risk(budget=budget, standing=standings[verdict.status] if figures else "unknown", value=value)
