"""Slices of the evaluation data that an accuracy budget is held against one by one: a class, or a folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Budget, Slice
from edgec.artifacts.measured import Verdict
from edgec.artifacts.quantity import span

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN, TOLD = 8, 3
"""Of the slices of one limit at most this many are shown in a table, and told in diagnostics: the worst; programs get all."""

ORDER = {
    "missed": 0, "inconclusive": 1, "open": 1, "tight": 2, "unknown": 3, "deferred": 4, "device": 4, "met": 5, "kept": 5,
}  # fmt: skip
"""Verdicts, and what `edgec plan` foretells of them, the worst first."""


def spelled_out(budgets: Sequence[Budget], labels: Sequence[str]) -> tuple[Budget, ...]:
    """Return the budgets with each limit on every class as one limit a class, in the labels' order.

    A class with a limit of its own on the same thing keeps that one.
    """
    own = {budget.name for budget in budgets if budget.slice}
    found: list[Budget] = []
    for budget in budgets:
        if budget.slice is None or budget.slice.name is not None:
            found.append(budget)
            continue
        each = [replace(budget, slice=replace(budget.slice, name=label)) for label in labels]
        found += [item for item in each if item.name not in own]
    return tuple(found)


def members(part: Slice, ids: Sequence[str], classes: NDArray[Any] | None, labels: Sequence[str]) -> NDArray[Any]:
    """Return the positions of the samples in ``part``: ``ids`` [N] are theirs, ``classes`` [N] index into ``labels``."""
    import numpy as np

    if part.by == "folder":
        return np.flatnonzero([within(str(part.name), name) for name in ids])
    if classes is None or part.name not in labels:
        return np.array([], np.int64)
    return np.flatnonzero(classes == labels.index(part.name))


def within(folder: str, sample: str) -> bool:
    """Whether a sample's id lies below a folder of that name (or path), at any depth: ``night`` holds ``7/night/a.png``."""
    return f"/{folder.strip('/')}/" in f"/{sample}"


def folders(ids: Sequence[str]) -> list[str]:
    """Return the names of all folders that the samples' ids lie in, sorted."""
    return sorted({part for name in ids for part in name.split("/")[:-1] if part})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How one budget stands: ``group`` is its limit without the slice (``accuracy.top1.min by class``), None for the whole.

    ``margin`` is how far the figure is on the good side of the limit; infinitely bad without one.
    """

    group: str | None
    status: str
    margin: float


def standing(verdict: Verdict) -> Standing:
    """Return how a verdict stands."""
    budget, figure = verdict.budget, verdict.figure
    margin = _margin(budget.sense, budget.limit, figure.value) if figure else -math.inf
    return Standing(group=limit_of(budget), status=verdict.status, margin=margin)


def limit_of(budget: Budget) -> str | None:
    """Return the limit whose slice a budget is on (``accuracy.top1.min by class``), None for one on the whole."""
    return f"{replace(budget, slice=None).name} by {budget.slice.by}" if budget.slice else None


def recorded_standing(budget: Json, verdict: Json) -> Standing:
    """Return the same from bundle.json's records; ``verdict`` is None where there is none yet."""
    part = budget.get("slice")
    group = f"{budget['name'].partition('[')[0]} by {part['by']}" if part else None
    value = verdict and verdict.get("value")
    margin = -math.inf if value is None else _margin(budget["sense"], budget["limit"], value)
    return Standing(group=group, status=verdict["status"] if verdict else "deferred", margin=margin)


def _margin(sense: str, limit: float, value: float) -> float:
    return value - limit if sense == "min" else limit - value


def condensed(standings: Sequence[Standing], most: int = SHOWN) -> tuple[list[int], dict[str, list[int]]]:
    """Return which of the budgets people are shown (positions, in order), and the rest of each limit's slices by group.

    Shown are all that are on the whole, and of each limit's slices those not met (the worst, ``most`` of them), else the worst.
    """
    groups: dict[str, list[int]] = {}
    for index, item in enumerate(standings):
        if item.group is not None:
            groups.setdefault(item.group, []).append(index)
    shown = {index for index, item in enumerate(standings) if item.group is None}
    rest: dict[str, list[int]] = {}
    for name, indices in groups.items():
        ranked = sorted(indices, key=lambda index: (ORDER[standings[index].status], standings[index].margin))
        bad = [index for index in ranked if standings[index].status not in ("met", "kept")]
        chosen = bad[:most] or ranked[:1]
        shown |= set(chosen)
        if left := [index for index in ranked if index not in chosen]:
            rest[name] = left
    return sorted(shown), rest


def notes(standings: Sequence[Standing], rest: Mapping[str, Sequence[int]]) -> list[str]:
    """Return a line on each limit's slices that are not shown: ``accuracy.top1.min by class: 3 inconclusive, 12 met more``."""
    lines = []
    for name, left in rest.items():
        statuses = [standings[index].status for index in left]
        counts = ", ".join(f"{statuses.count(status)} {status}" for status in ORDER if status in statuses)
        lines.append(f"{name}: {counts} more")
    return lines


def short_name(budget: Budget) -> str:
    """Return what people read in a table's first column: ``accuracy top1, class 7``, ``pipeline latency p90, after 10min``."""
    whole = f"{'pipeline ' if budget.of == 'pipeline' else ''}{budget.kind} {budget.statistic}".strip()
    if budget.after:
        return f"{whole}, after {span(budget.after)}"
    return f"{whole}, {budget.slice.by} {budget.slice.name}" if budget.slice else whole


def slice_record(budget: Budget) -> Mapping[str, Json]:
    """Return ``{"slice": {"by", "name"}}`` as bundle.json has it; nothing for a budget on the whole."""
    return {"slice": {"by": budget.slice.by, "name": budget.slice.name}} if budget.slice else {}
