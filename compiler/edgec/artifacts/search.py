"""What became of each candidate for a target, and what a search concludes from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgec.artifacts.document import Json
from edgec.artifacts.evaluated import Evaluated
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.manifest import Search
from edgec.artifacts.measured import Figure, Measured, Verdict, written
from edgec.artifacts.plan import Plan
from edgec.artifacts.records import figure_record, verdict_record
from edgec.diagnostics import Diagnostic

Standing = Literal["passed", "inconclusive", "missed", "failed", "untried"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One candidate as far as it came. ``folder`` is its job's; ``diagnostics`` say why it failed.

    ``evaluated`` is what its bundle's measurements keep of its answers, ``gaps`` are warnings of metrics that could not be
    taken of them.

    ``untried`` says why it was not carried to its end, where time ran out. ``seconds`` is what its lowering took here,
    0 where an earlier build had done it.
    """

    plan: Plan
    lowered: Lowered | None = None
    folder: Path | None = None
    measured: Measured | None = None
    evaluated: Evaluated | None = None
    gaps: tuple[Diagnostic, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    untried: str = ""
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """What it is called; no other of the target's candidates is called so."""
        return self.plan.label

    @property
    def standing(self) -> Standing:
        """How it stands: the worst of its verdicts, or that it never got as far."""
        if self.diagnostics:
            return "failed"
        if self.untried or self.measured is None:
            return "untried"
        found = {verdict.status for verdict in self.verdicts}
        return "missed" if "missed" in found else "inconclusive" if "inconclusive" in found else "passed"

    @property
    def reason(self) -> str:
        """Why it stands so, in a phrase; empty where it passed."""
        if self.diagnostics:
            return self.diagnostics[0].message
        if self.untried:
            return self.untried
        wanting = [verdict for verdict in self.verdicts if verdict.status == self.standing]
        return "; ".join(f"{verdict.budget.name}: {verdict.reason}" for verdict in wanting)

    def figure(self, name: str) -> Figure | None:
        """Return its figure of that name, or None."""
        return self.measured.get(name) if self.measured else None


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """Limits that one candidate would keep: for each budget that it misses, by name, what the manifest could say instead.

    ``shortfall`` is the sum of what is missing: of shares the difference, of all else the part of the limit.
    """

    candidate: int
    limits: tuple[tuple[str, str], ...]
    shortfall: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The end of a search; candidates are named by their index in ``trials``.

    ``rank`` is the figure that decided between those that pass (``latency.p50``, ``instructions`` …), "" where none did.
    ``front`` are those that no other beats in every respect; ``binding`` is the budget that keeps ``nearest``, the one
    that misses least, from passing. ``relaxations`` come with the least first. ``seconds`` is the whole search's time.
    """

    search: Search
    trials: tuple[Trial, ...]
    winner: int | None
    rank: str
    front: tuple[int, ...]
    nearest: int | None
    binding: str
    relaxations: tuple[Relaxation, ...]
    seconds: float

    @property
    def chosen(self) -> Trial | None:
        """The winner, or the nearest miss; None where nothing was lowered and measured."""
        index = self.nearest if self.winner is None else self.winner
        return None if index is None else self.trials[index]


def search_table(searched: Searched) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return a header and a row per candidate for people: what it measures, how it stands, and why."""
    trials = searched.trials
    names = _columns(trials, searched.rank)
    header = ("candidate", *(_heading(name, trials) for name in names), "verdict", "why")
    return header, [
        (trial.label, *(_cell(trial.figure(name)) for name in names), _verdict(searched, index), trial.reason)
        for index, trial in enumerate(trials)
    ]


def _columns(trials: Sequence[Trial], rank: str) -> list[str]:
    """Size, delegation, accuracy, speed and memory, each by the strongest figure that a candidate has."""
    budgeted = [budget.statistic for budget in trials[0].plan.budgets if budget.kind == "accuracy"]
    found = dict.fromkeys(figure.name for trial in trials if trial.measured for figure in trial.measured.figures)
    accuracy = [f"accuracy.{name}" for name in budgeted] + [name for name in found if name.startswith("accuracy.")]
    kinds = (
        ("size",),
        ("delegation",),
        accuracy,
        ("latency.p50", "instructions", "cost"),
        ("latency.p90",),
        ("memory.rss", "memory.planned"),
        (rank,),
    )
    return list(dict.fromkeys(name for kind in kinds for name in [next((n for n in kind if n in found), "")] if name))


def _heading(name: str, trials: Sequence[Trial]) -> str:
    evidence = next(figure.evidence for trial in trials if (figure := trial.figure(name)))
    short = name.removeprefix("accuracy.").replace(".", " ")
    return f"{short} ({evidence})"


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.value / 1e6:.1f} M" if figure.unit == "instructions" else written(figure.value, figure.unit)


def _verdict(searched: Searched, index: int) -> str:
    if index == searched.winner:
        return "winner"
    return "nearest" if index == searched.nearest else searched.trials[index].standing


def search_record(searched: Searched) -> dict[str, Json]:
    """Return the search as measurements.json and ``build --output json`` hold it."""
    names = [trial.label for trial in searched.trials]
    return {
        "objective": searched.search.objective,
        "time_limit_s": searched.search.time_limit,
        "seconds": round(searched.seconds, 3),
        "ranked_by": searched.rank,
        "winner": _named(searched.winner, names),
        "candidates": [_trial_record(trial) for trial in searched.trials],
        "front": [names[index] for index in searched.front],
        "nearest": _named(searched.nearest, names),
        "binding": searched.binding,
        "relaxations": [
            {"candidate": names[item.candidate], "budgets": dict(item.limits), "text": item.text}
            for item in searched.relaxations
        ],
    }


def _trial_record(trial: Trial) -> dict[str, Json]:
    plan, lowered = trial.plan, trial.lowered
    return {
        "candidate": trial.label,
        "recipe": {"name": plan.recipe.name, "options": dict(plan.recipe.options)},
        "resolved_recipe": lowered.recipe if lowered else None,
        "delegates": [choice.name for choice in plan.delegates],
        "verdict": trial.standing,
        "reason": trial.reason,
        "lowering_key": plan.lowering_key,
        "lowering_s": round(trial.seconds, 3),
        "model_sha256": lowered.pte_sha256 if lowered else None,
        "figures": [figure_record(figure) for figure in trial.measured.figures] if trial.measured else [],
        "verdicts": [verdict_record(verdict) for verdict in trial.verdicts],
    }


def _named(index: int | None, names: Sequence[str]) -> str | None:
    return None if index is None else names[index]
