"""What a build did, for people (a verdict table per bundle) and for programs (one JSON object)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.measured import Figure, Verdict, in_threads, written
from edgec.artifacts.outcome import Outcome
from edgec.artifacts.search import search_record
from edgec.artifacts.slices import condensed, notes, short_name, standing
from edgec.output import search
from edgec.output.human import printable
from edgec.output.table import BOLD, paint, table
from edgec.output.verification import SIDES

STATUSES = ("built", "unchanged", "rejected", "failed")


def human(outcomes: Sequence[Outcome], colour: bool) -> str:
    """Return one block per outcome: what it is, its budgets held against their figures, and where the bundle lies.

    Of several manifests a table of all outcomes follows, and those to which nothing was done have no block.
    """
    several = len({outcome.plan.manifest for outcome in outcomes}) > 1
    blocks = [_block(outcome, colour) for outcome in outcomes if not (several and outcome.since)]
    return "\n".join([*blocks, *([_summary(outcomes, colour)] if several else [])])


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many outcomes there are of each status."""
    return {status: sum(outcome.status == status for outcome in outcomes) for status in STATUSES}


def _summary(outcomes: Sequence[Outcome], colour: bool) -> str:
    rows = []
    for outcome in outcomes:
        plan, size = outcome.plan, outcome.measured.get("size") if outcome.measured else None
        errors = [item for item in outcome.diagnostics if item.severity == "error"]
        cells = (plan.name, plan.version, plan.target.name, outcome.status, _value(size) if size else "-")
        rows.append((*map(printable, cells), f"exit {outcome.exit_code}: {errors[0].code}" if errors else ""))
    found = ", ".join(f"{count} {status}" for status, count in counts(outcomes).items() if count)
    text = table(("manifest", "version", "target", "result", "size", ""), rows, colour)
    return f"{text}{len(outcomes)} targets: {found}\n"


def records(outcomes: Sequence[Outcome]) -> list[Json]:
    """Return each outcome as JSON data; paths are absolute."""
    return [_record(outcome) for outcome in outcomes]


def _block(outcome: Outcome, colour: bool) -> str:
    plan = outcome.plan
    delegates = "+".join(choice.name for choice in plan.delegates)
    recipe = outcome.made.recipe if outcome.made else plan.recipe.name
    what = plan.label if outcome.searched else f"{recipe} on {delegates}"
    head = f"{plan.name} {plan.version} for {plan.target.name}: {what}, {in_threads(plan.threads)}"
    lines = [paint(printable(head), BOLD, colour)]
    if outcome.searched:
        lines += [*search.human(outcome.searched, colour), ""]
    if outcome.verdicts:
        standings = [standing(verdict) for verdict in outcome.verdicts]
        shown, rest = condensed(standings)
        rows = [_row(outcome.verdicts[index]) for index in shown]
        lines.append(table(("budget", "limit", "figure", "evidence", "verdict"), rows, colour).rstrip("\n"))
        lines += [f"  {printable(note)}" for note in notes(standings, rest)]
    lines += [f"  {name:<8} {text}" for name, text in [*_chosen(outcome), *_results(outcome)]]
    return "\n".join(lines) + "\n"


def _row(verdict: Verdict) -> tuple[str, str, str, str, str]:
    budget, figure = verdict.budget, verdict.figure
    side = SIDES[budget.sense]
    value = "no sample" if budget.slice and figure is None else _value(figure)
    return printable(short_name(budget)), f"{side} {budget.text}", value, figure.evidence if figure else "none", verdict.status


def _value(figure: Figure | None) -> str:
    if figure is None:
        return "on the device"
    text, flips = written(figure.value, figure.unit), figure.name.startswith("accuracy.flips")
    if figure.interval and (figure.unit == "points" or flips) and math.isfinite(figure.interval[1]):
        text += f" (at most {written(figure.interval[1], figure.unit)})"
    if threads := figure.detail.get("threads"):
        text += f", {in_threads(threads)}"
    return text


def _chosen(outcome: Outcome) -> list[tuple[str, str]]:
    """Why that recipe, where the manifest left it open."""
    reason = outcome.made.reason if outcome.made else ""
    return [("auto", printable(reason))] if reason else []


def _results(outcome: Outcome) -> list[tuple[str, str]]:
    place = outcome.written
    if place is None:
        return [("bundle", "none")]
    size = written(place.tarball.stat().st_size, "bytes")
    return [
        *([("since", f"{outcome.since}: nothing changed, so nothing was built or clocked anew")] if outcome.since else []),
        ("bundle", str(_near(place.folder))),
        ("tarball", f"{_near(place.tarball)} ({size}, sha256 {place.tarball_sha256[:12]}…)"),
        ("report", str(_near(place.report))),
        *([("feasible", str(_near(outcome.front)))] if outcome.front else []),
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
        "status": outcome.status,
        "since": outcome.since or None,
        "recipe": outcome.made.recipe if outcome.made else plan.recipe.name,
        "lowering_key": plan.lowering_key,
        "model_sha256": outcome.made.sha256 if outcome.made else None,
        "figures": [to_json(figure) for figure in outcome.measured.figures] if outcome.measured else [],
        "verdicts": [to_json(verdict) for verdict in outcome.verdicts],
        "folder": str(place.folder) if place else None,
        "tarball": str(place.tarball) if place else None,
        "tarball_sha256": place.tarball_sha256 if place else None,
        "measurements": str(place.measurements) if place else None,
        "report": str(place.report) if place else None,
        "search": search_record(outcome.searched) if outcome.searched else None,
        "front": str(outcome.front) if outcome.front else None,
        "diagnostics": [
            {"code": found.code, "severity": found.severity, "message": found.message} for found in outcome.diagnostics
        ],
    }
