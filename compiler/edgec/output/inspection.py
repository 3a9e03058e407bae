"""What is inside a bundle or a program, for people."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.artifacts.benched import told, told_figures
from edgec.artifacts.document import Json
from edgec.artifacts.measured import written
from edgec.artifacts.slices import condensed, notes, recorded_standing
from edgec.output.human import printable
from edgec.output.table import BOLD, paint, table
from edgec.output.verification import SIDES


def human(record: dict[str, Json], colour: bool) -> str:
    """Return the inspection record as titled blocks of text."""
    blocks = [_title(record, colour), _lines(_identity(record)), _signature(record, colour)]
    blocks += [_operators(record["program"], colour), _rewrites(record["program"].get("rewrites", ()), colour)]
    blocks.append(_memory(record["program"]["memory"], colour))
    if record.get("budgets"):
        blocks.append(_budgets(record, colour))
    if measured := record.get("measured"):
        blocks.append(_lines(_device(measured)))
    return "\n".join(block for block in blocks if block)


def _title(record: dict[str, Json], colour: bool) -> str:
    if "name" not in record:
        return paint(printable(record["model"]["file"]), BOLD, colour) + "\n"
    title = f"{record['name']} {record['version']} for {record['target']}"
    title += "" if record["release"] else f" (not for release: {'; '.join(record['blockers'])})"
    return paint(printable(title), BOLD, colour) + "\n"


def _identity(record: dict[str, Json]) -> list[tuple[str, str]]:
    model = record["model"]
    lines = [("bundle", record["bundle_sha256"])] if "bundle_sha256" in record else []
    lines += [("model.pte", model["sha256"]), ("size", written(model["bytes"], "bytes"))]
    if methods := record["program"].get("methods", ())[1:]:
        lines.append(("methods", f"{record['program']['method']} (shown), {', '.join(methods)}"))
    if not_run := record["program"].get("not_run"):
        lines.append(("not run", f"on the machine that made it: {not_run}"))
    if "recipe" in model:
        lines.append(("made with", f"{model['recipe']} on {', '.join(model['delegates'])}"))
        lines.append(("made for", f"{record['hardware']['cpu']} ({record['hardware']['architecture']})"))
        lines.append(("tools", ", ".join(f"{name} {version}" for name, version in record["tools"].items())))
        lines.append(("files", str(len(record["files"]))))
    return lines


def _signature(record: dict[str, Json], colour: bool) -> str:
    dynamic = record["program"].get("dynamic", [])
    rows = []
    for side in ("input", "output"):
        for tensor in record[f"{side}s"]:
            shape = " × ".join(str(size) for size in tensor["shape"])
            low = tensor.get("minimum", tensor["shape"])
            bound = " (at most)" if low != tensor["shape"] or tensor["name"] in dynamic else ""
            rows.append((side, printable(tensor["name"]), tensor["dtype"], shape + bound))
    return table(("", "name", "type", "shape"), rows, colour)


def _operators(program: Json, colour: bool) -> str:
    if "operators" in program:
        found = program["operators"]
        rows = [(op["name"], str(op["delegated"]), str(op["left"]), printable(_why(op))) for op in found]
        backends = ", ".join(program["backends"]) or "nothing"
        head = f"  {written(program['delegation'], 'share')} delegated to {backends}\n"
        return head + table(("operator", "delegated", "left", "why"), rows, colour)
    calls = [
        (name, str(count), program["runtime"].get(name) or "none in edgec's runtime")
        for name, count in (*program["delegates"].items(), *program["kernels"].items())
    ]
    return table(("delegate or operator", "calls", "run by"), calls, colour) if calls else ""


def _why(operator: Json) -> str:
    """Why an operator was left, and where in the model's source it is."""
    lines = ", ".join(operator.get("where", ()))
    return "; ".join(part for part in (operator["reason"], lines) if part)


def _rewrites(rewrites: Sequence[Json], colour: bool) -> str:
    rows = [
        (
            item["name"],
            str(item["places"]),
            " → ".join(str(count) for count in item["operators"]),
            " → ".join(written(count, "bytes") for count in item["weight_bytes"]),
            "–" if item["max_relative_error"] is None else f"{item['max_relative_error']:.1g}",
            printable(item["dropped"]) or "kept",
        )
        for item in rewrites
    ]
    head = ("rewrite", "places", "operators", "weights", "error", "")
    return table(head, rows, colour) if rows else ""


def _memory(memory: Json, colour: bool) -> str:
    kinds = [("arenas", sum(memory["arenas"])), ("delegate blobs", memory["delegate_blobs"])]
    kinds += [("named weights", memory["weights"]), ("constants", memory["constants"])]
    return table(("memory", "planned"), [(name, written(count, "bytes")) for name, count in kinds], colour)


def _budgets(record: dict[str, Json], colour: bool) -> str:
    verdicts = {verdict["budget"]: verdict for verdict in record["verdicts"]}
    rows = []
    standings = [recorded_standing(budget, verdicts.get(budget["name"])) for budget in record["budgets"]]
    shown, rest = condensed(standings)
    for budget in (record["budgets"][index] for index in shown):
        verdict = verdicts.get(budget["name"], {})
        value = verdict.get("value")
        figure = written(value, verdict["unit"]) if value is not None else "no sample" if "slice" in budget else "on the device"
        limit = printable(f"{SIDES[budget['sense']]} {budget['text']}")
        name = printable(budget["name"])
        rows.append((name, limit, figure, verdict.get("evidence", "none"), verdict.get("status", "deferred")))
    lines = [f"  {printable(note)}\n" for note in notes(standings, rest)]
    return table(("budget", "limit", "figure", "evidence", "verdict"), rows, colour) + "".join(lines)


def _device(measured: Json) -> list[tuple[str, str]]:
    lines = [("measured", f"{measured.get('evidence', 'host')}: {measured.get('status', 'at build time')}")]
    if bench := measured.get("bench"):
        times = ", ".join(f"{name} {written(value, 's')}" for name, value in bench["latency_s"].items())
        lines += [("latency", times), *told(bench), ("peak", written(bench["peak_rss_bytes"], "bytes"))]
    return lines + told_figures(measured.get("figures", ()))


def _lines(facts: list[tuple[str, str]]) -> str:
    return "".join(f"  {name:<10} {printable(text)}\n" for name, text in facts)
