"""No two budgets of one list may exclude each other or limit the same thing twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from edgec.artifacts.manifest import Budget, Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at, budget_lists
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each pair of budgets that contradict each other."""
    found = []
    for group in budget_lists(manifest):
        found += _twice(group) + _idle(group)
    return found


def _twice(group: tuple[Budget, ...]) -> list[Diagnostic]:
    """The same metric limited on the same side twice: one of the two says nothing, or both are typing errors."""
    first: dict[tuple[str, str], Budget] = {}
    found = []
    for budget in group:
        key = (budget.name, str(sorted(budget.options.items())))
        if key in first:
            found.append(_contradict(f"{budget.name} is limited twice", budget, first[key]))
        first.setdefault(key, budget)
    return found


def _idle(group: tuple[Budget, ...]) -> list[Diagnostic]:
    """A percentile with a wider limit than a higher one has says nothing; likely the two were exchanged."""
    limits = sorted((budget for budget in group if budget.kind == "latency"), key=lambda budget: budget.statistic)
    return [
        replace(
            _contradict(
                f"{lower.name} may be {lower.text} while {higher.name} may only be {higher.text}", lower, higher
            ),
            severity="warning",
            hint=f"{lower.name} is at most {higher.name}, so its own limit says nothing; were the two exchanged?",
        )
        for lower, higher in pairwise(limits)
        if lower.limit > higher.limit
    ]


def _contradict(message: str, budget: Budget, other: Budget) -> Diagnostic:
    return Diagnostic(
        code="budgets-contradict",
        message=message,
        where=at(*budget.route),
        hint="keep one of the two",
        related=(("the other limit stands here", at(*other.route)),),
    )
