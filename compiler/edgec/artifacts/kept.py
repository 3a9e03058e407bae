"""An Outcome as a record that outlives its build, and back: what is told again of a bundle that needed no work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgec.artifacts.bundle import Written
from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.document import Json
from edgec.artifacts.measured import Figure, Measured, Verdict
from edgec.artifacts.outcome import Made, Outcome
from edgec.artifacts.plan import Plan
from edgec.artifacts.search import Searched
from edgec.diagnostics import Diagnostic, Location


def outcome_record(outcome: Outcome, plans: Sequence[Plan]) -> dict[str, Json]:
    """Return what ``revived`` needs beside the same ``plans``; ``outcome`` has figures, and its plan is one of them."""
    assert outcome.measured is not None and outcome.made is not None
    figures, budgets = outcome.measured.figures, outcome.plan.budgets
    return {
        "candidate": list(plans).index(outcome.plan),
        "made": to_json(outcome.made),
        "figures": [to_json(figure) for figure in figures],
        "verdicts": [
            {
                "budget": budgets.index(verdict.budget),
                "status": verdict.status,
                "reason": verdict.reason,
                "figure": figures.index(verdict.figure) if verdict.figure else None,
            }
            for verdict in outcome.verdicts
        ],
        "diagnostics": [to_json(item) for item in outcome.diagnostics],
        "searched": _searched(outcome.searched),
    }


def revived(record: Json, plans: Sequence[Plan], written: Written, since: str) -> Outcome:
    """Return the Outcome of ``record`` for the same ``plans``, its bundle ``written`` at the time ``since``.

    Built by hand: the library that does it in general takes as long to import as all else here.
    """
    plan = plans[record["candidate"]]
    figures = tuple(figure_of(item) for item in record["figures"])
    verdicts = tuple(
        Verdict(
            budget=plan.budgets[item["budget"]],
            status=item["status"],
            reason=item["reason"],
            figure=None if item["figure"] is None else figures[item["figure"]],
        )
        for item in record["verdicts"]
    )
    searched = from_json(Searched, record["searched"]) if record["searched"] else None
    return Outcome(
        plan=plan,
        made=Made(**record["made"]),
        measured=Measured(figures=figures),
        verdicts=verdicts,
        written=written,
        diagnostics=tuple(diagnostic_of(item, plan.manifest) for item in record["diagnostics"]),
        searched=searched,
        since=since,
    )


def figure_of(record: Mapping[str, Json]) -> Figure:
    """Return the Figure that ``to_json`` made the record of."""
    interval = record["interval"]
    return Figure(**{**record, "interval": (interval[0], interval[1]) if interval else None})


def _searched(searched: Searched | None) -> Json:
    """A search without what a reader of its table does not need: folders, answers, and every plan's thousand files."""
    if searched is None:
        return None
    trials = (replace(trial, folder=None, evaluated=None, plan=replace(trial.plan, files={})) for trial in searched.trials)
    return to_json(replace(searched, trials=tuple(trials)))


def diagnostic_of(record: Json, manifest: str) -> Diagnostic:
    """Return a finding, told of the manifest as it is named now."""
    related = tuple((text, _location(where, manifest)) for text, where in record["related"])
    where = _location(record["where"], manifest) if record["where"] else None
    return Diagnostic(**{**record, "where": where, "related": related})


def _location(record: Json, manifest: str) -> Location:
    return Location(**{**record, "route": tuple(record["route"]), "file": manifest if record["file"] else ""})
