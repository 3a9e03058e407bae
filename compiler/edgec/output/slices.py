"""Changes of figures or budgets go in; those that people are shown come out, of slices the worst, and a line on the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgec.artifacts.difference import FigureChange, VerdictChange
from edgec.artifacts.slices import ORDER, SHOWN
from edgec.releases.figures import higher_is_better

GONE = "gone"
"""What is said of a budget that the new release has not."""

SLICE = re.compile(r"(.+)\[(class|folder) .*\]", re.DOTALL)


def worst_slices(changes: Sequence[FigureChange]) -> tuple[list[FigureChange], list[str]]:
    """Return all changes that are on the whole, and of each metric's slices that differ SHOWN at most, in the given order."""
    slices: dict[str, list[FigureChange]] = {}
    for item in changes:
        if found := SLICE.fullmatch(item.name):
            slices.setdefault(f"{found[1].replace('.', ' ', 1)} by {found[2]}", []).append(item)
    left: set[str] = set()
    lines = []
    for name, group in slices.items():
        ranked = sorted((item for item in group if item.change != 0), key=_gain)
        same = [item.name for item in group if item.change == 0]
        rest = [item.name for item in ranked[SHOWN:]]
        left |= {*same, *rest}
        told = [f"{len(rest)} more differ"] * bool(rest) + [f"{len(same)} do not differ"] * bool(same)
        lines += [f"{name}: {', '.join(told)}; --output json lists all"] if told else []
    return [item for item in changes if item.name not in left], lines


def worst_verdicts(
    changes: Sequence[VerdictChange], figures: Sequence[FigureChange]
) -> tuple[list[VerdictChange], list[str]]:
    """Return all changes of budgets on the whole, and of each limit's slices SHOWN at most, in the given order.

    The worst are those whose verdict is worse than before, the worst verdicts first, and of one verdict those whose figure
    has lost most.
    """
    slices: dict[str, list[VerdictChange]] = {}
    for item in changes:
        if found := SLICE.fullmatch(item.budget):
            slices.setdefault(f"{found[1]} by {found[2]}", []).append(item)
    gains = {item.name: _gain(item) for item in figures}
    left: set[str] = set()
    lines = []
    for name, group in slices.items():
        ranked = sorted(group, key=lambda item: (not item.worse, _rank(item), gains.get(_figure_name(item.budget), 0.0)))
        if rest := ranked[SHOWN:]:
            left |= {item.budget for item in rest}
            statuses = [item.new_status or GONE for item in rest]
            counts = ", ".join(f"{statuses.count(status)} {status}" for status in (*ORDER, GONE) if status in statuses)
            lines.append(f"{name}: {counts} more; --output json lists all")
    return [item for item in changes if item.budget not in left], lines


def _rank(item: VerdictChange) -> int:
    return ORDER[item.new_status] if item.new_status else len(ORDER)


def _figure_name(budget: str) -> str:
    """The figure that a budget on a slice is held against: ``accuracy.top1.min[class 7]`` → ``accuracy.top1[class 7]``."""
    limit, _, part = budget.partition("[")
    metric, _, sense = limit.rpartition(".")
    held = {"max_drop": f"{metric}.drop", "max_flips": "accuracy.flips"}.get(sense, metric)
    return f"{held}[{part}"


def _gain(item: FigureChange) -> float:
    """How much better a figure has become; what cannot be compared lies between losses and gains."""
    return (item.change or 0.0) * (-1 if higher_is_better(item.name) is False else 1)
