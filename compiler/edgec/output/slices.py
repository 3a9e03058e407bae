"""Changes of figures go in; those that people are shown come out, of each metric's slices the worst, and a line on the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgec.artifacts.difference import FigureChange
from edgec.artifacts.slices import SHOWN
from edgec.releases.figures import higher_is_better

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


def _gain(item: FigureChange) -> float:
    """How much better a figure has become; what cannot be compared lies between losses and gains."""
    return (item.change or 0.0) * (-1 if higher_is_better(item.name) is False else 1)
