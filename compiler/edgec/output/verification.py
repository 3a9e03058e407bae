"""What a verification found, for people: golden vectors, figures, and a verdict a budget."""

from __future__ import annotations

from edgec.artifacts.benched import told
from edgec.artifacts.document import Json
from edgec.artifacts.measured import SAMPLES_FOR, in_threads, written
from edgec.artifacts.slices import Standing, condensed, notes, recorded_standing
from edgec.output.human import printable
from edgec.output.table import BOLD, paint, table

SIDES = {"min": "≥", "max": "≤", "max_drop": "drop ≤", "max_flips": "flips ≤"}


def human(record: dict[str, Json], budgets: Json, colour: bool) -> str:
    """Return the record of docs/bundle.md's ``--self-test`` as lines of text; ``budgets`` are bundle.json's."""
    head = " ".join(str(record[key]) for key in ("name", "version") if key in record)
    where = f" for {record['target']}" if "target" in record else ""
    title = f"{head}{where}: {record.get('status', 'signed' if record.get('signatures') else 'failed')}"
    lines = [paint(printable(title.lstrip(": ")), BOLD, colour)]
    lines += [f"  {name:<9} {printable(text)}" for name, text in _facts(record)]
    if record.get("verdicts"):
        limits = {budget["name"]: f"{SIDES[budget['sense']]} {budget['text']}" for budget in budgets}
        known = {budget["name"]: budget for budget in budgets}
        standings = [_standing(known.get(verdict["budget"]), verdict) for verdict in record["verdicts"]]
        shown, rest = condensed(standings)
        rows = [_row(record["verdicts"][index], limits) for index in shown]
        lines.append(table(("budget", "limit", "figure", "evidence", "verdict"), rows, colour).rstrip("\n"))
        lines += [f"  {printable(note)}" for note in notes(standings, rest)]
    return "\n".join(lines) + "\n"


def _facts(record: dict[str, Json]) -> list[tuple[str, str]]:
    facts = [
        ("signed by", f"{signer['key']} ({signer['kind']}, {signer['keyid'][:12]})") for signer in record.get("signatures", [])
    ]
    facts += [("evidence", str(record["evidence"]))] if "evidence" in record else []
    facts += [("checked", ", ".join(record["checked"]))] if "checked" in record else []
    facts += [("not run", text) for text in record.get("not_run", ())]
    if golden := record.get("golden"):
        facts.append(("golden", _golden(golden)))
    if bench := record.get("bench"):
        latency = bench["latency_s"]
        enough = [name for name in ("p50", "p90", "p99") if name in latency and SAMPLES_FOR[name] <= bench["samples"]]
        times = ", ".join(f"{name} {written(latency[name], 's')}" for name in enough) or "too few samples"
        facts.append(("latency", f"{times} ({bench['samples']} samples, {in_threads(bench['threads'])})"))
        facts += told(bench)
        facts.append(("memory", f"{written(bench['peak_rss_bytes'], 'bytes')} at most"))
    if evaluation := record.get("evaluation"):
        share = written(evaluation["accuracy"], "share")
        facts.append(("accuracy", f"{evaluation['metric']} {share} of {evaluation['samples']} images"))
    return facts


def _golden(golden: Json) -> str:
    text = f"{golden['vectors']} vectors {'agree' if golden['passed'] else 'do NOT agree'}"
    if worst := golden.get("worst"):
        text += f"; worst {worst['sample']}, off by {worst['error']:.3g} of {worst['allowed']:.3g} allowed"
    return text


def _standing(budget: Json, verdict: Json) -> Standing:
    if budget is None:
        return Standing(group=None, status=verdict["status"], margin=0.0)
    return recorded_standing(budget, verdict)


def _row(verdict: Json, limits: dict[str, str]) -> tuple[str, str, str, str, str]:
    value = verdict.get("value")
    without = "no sample" if verdict["status"] == "inconclusive" else "on the device"
    return (
        printable(verdict["budget"]),
        printable(limits.get(verdict["budget"], "")),
        written(value, verdict.get("unit") or "") if value is not None else without,
        verdict.get("evidence", "none"),
        verdict["status"],
    )
