"""What a build did, for people (a verdict table per bundle) and for programs (one JSON object)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.measured import Figure, Verdict, written
from edgec.artifacts.outcome import Outcome
from edgec.output.human import printable
from edgec.output.table import BOLD, paint, table


def human(outcomes: Sequence[Outcome], colour: bool) -> str:
    """Return one block per outcome: what it is, its budgets held against their figures, and where the bundle lies."""
    return "\n".join(_block(outcome, colour) for outcome in outcomes)


def records(outcomes: Sequence[Outcome]) -> list[Json]:
    """Return each outcome as JSON data; paths are absolute."""
    return [_record(outcome) for outcome in outcomes]


def _block(outcome: Outcome, colour: bool) -> str:
    plan = outcome.plan
    delegates = "+".join(choice.name for choice in plan.delegates)
    head = f"{plan.name} {plan.version} for {plan.target.name}: {plan.recipe.name} on {delegates}, {plan.threads} threads"
    lines = [paint(printable(head), BOLD, colour)]
    if outcome.verdicts:
        rows = [_row(verdict) for verdict in outcome.verdicts]
        lines.append(table(("budget", "limit", "figure", "evidence", "verdict"), rows, colour).rstrip("\n"))
    lines += [f"  {name:<8} {text}" for name, text in _results(outcome)]
    return "\n".join(lines) + "\n"


def _row(verdict: Verdict) -> tuple[str, str, str, str, str]:
    budget, figure = verdict.budget, verdict.figure
    side = {"min": "≥", "max": "≤", "max_drop": "drop ≤"}[budget.sense]
    name = f"{budget.kind} {budget.statistic}".strip()
    return name, f"{side} {budget.text}", _value(figure), figure.evidence if figure else "none", verdict.status


def _value(figure: Figure | None) -> str:
    if figure is None:
        return "on the device"
    text = written(figure.value, figure.unit)
    if figure.interval and figure.unit == "points" and math.isfinite(figure.interval[1]):
        text += f" (at most {written(figure.interval[1], figure.unit)})"
    if threads := figure.detail.get("threads"):
        text += f", {threads} threads"
    return text


def _results(outcome: Outcome) -> list[tuple[str, str]]:
    place = outcome.written
    if place is None:
        return [("bundle", "none")]
    size = written(place.tarball.stat().st_size, "bytes")
    return [
        ("bundle", str(_near(place.folder))),
        ("tarball", f"{_near(place.tarball)} ({size}, sha256 {place.tarball_sha256[:12]}…)"),
        ("report", str(_near(place.report))),
    ]


def _near(path: Path) -> Path:
    """The path from the current folder where it lies below that, else as it is."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _record(outcome: Outcome) -> Json:
    plan, place = outcome.plan, outcome.written
    return {
        "name": plan.name,
        "version": plan.version,
        "target": plan.target.name,
        "manifest": plan.manifest,
        "exit_code": outcome.exit_code,
        "lowering_key": plan.lowering_key,
        "model_sha256": outcome.lowered.pte_sha256 if outcome.lowered else None,
        "figures": [to_json(figure) for figure in outcome.measured.figures] if outcome.measured else [],
        "verdicts": [to_json(verdict) for verdict in outcome.verdicts],
        "folder": str(place.folder) if place else None,
        "tarball": str(place.tarball) if place else None,
        "tarball_sha256": place.tarball_sha256 if place else None,
        "measurements": str(place.measurements) if place else None,
        "report": str(place.report) if place else None,
    }
