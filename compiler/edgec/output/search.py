"""A search for people: every candidate with its figures, who won by what, and what is feasible where none did."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.artifacts.search import Searched, Trial, search_table
from edgec.output.human import printable
from edgec.output.table import table

WHY = 100
"""Characters of a reason that fit beside a row; measurements.json holds them all."""


def human(searched: Searched, colour: bool) -> list[str]:
    """Return the table of all candidates, and below it how the search ended."""
    header, rows = search_table(searched)
    shown = [tuple(_short(cell) for cell in row) for row in rows]
    lines = [table(header, shown, colour).rstrip("\n"), f"  {printable(_ended(searched))}"]
    if searched.winner is None and searched.front:
        lines.append(f"  nearest: {printable(_label(searched, searched.nearest))}; kept back by {searched.binding}")
        lines += [f"  would pass with {printable(item.text)}" for item in searched.relaxations]
    return lines


def _ended(searched: Searched) -> str:
    count, time = len(searched.trials), f"{searched.seconds:.0f} s"
    untried = sum(trial.standing == "untried" for trial in searched.trials)
    rest = f", {untried} left untried when the time was over" if untried else ""
    if searched.winner is None:
        return f"none of {count} candidates passes ({time}{rest})"
    passing = sum(trial.standing in ("passed", "inconclusive") for trial in searched.trials)
    objective = searched.search.objective
    return f"the least {objective} of {passing} that pass, by {searched.rank}; {count} candidates, {time}{rest}"


def _label(searched: Searched, index: int | None) -> str:
    trials: Sequence[Trial] = searched.trials
    return "none" if index is None else trials[index].label


def _short(text: str) -> str:
    plain = printable(text)
    return plain if len(plain) <= WHY else plain[: WHY - 1] + "…"
