"""The JSON records of a bundle: ``bundle.json``, which only inputs determine, and ``measurements.json`` beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import edgec
from edgec.artifacts.bundle import Layout
from edgec.artifacts.description import describe
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Boundary, Lowered
from edgec.artifacts.manifest import Budget
from edgec.artifacts.measured import Figure, Measured, Verdict
from edgec.artifacts.plan import Plan
from edgec.artifacts.slices import slice_record

MEASUREMENTS_SCHEMA = "edgec/measurements/v1"


def json_bytes(record: Json) -> bytes:
    """Return a record as UTF-8 JSON with sorted keys; raises ValueError where it holds NaN or infinity."""
    return (json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def json_lines(record: Json) -> bytes:
    """Return what ``json_bytes`` says, with each item of a list on a line of its own: a statement names thousands of files."""
    return (_lines(record, "\n") + "\n").encode()


def _lines(value: Json, margin: str) -> str:
    deeper = margin + "  "
    if isinstance(value, dict) and value:
        inside = [f"{_line(key)}: {_lines(item, deeper)}" for key, item in sorted(value.items())]
        return "{" + deeper + f",{deeper}".join(inside) + margin + "}"
    if isinstance(value, list) and value:
        return "[" + deeper + f",{deeper}".join(map(_line, value)) + margin + "]"
    return _line(value)


_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False).encode
"""One value as JSON, by Python's fast writer, which knows no margins."""


def bundle_record(
    plan: Plan, lowered: Lowered, measured: Measured, verdicts: Sequence[Verdict], layout: Layout
) -> dict[str, Json]:
    """Return bundle.json (docs/bundle.md): nothing in it depends on a clock, a host or an absolute path."""
    record = describe(plan, lowered, layout)
    missed = [verdict for verdict in verdicts if verdict.status == "missed" and determined(verdict)]
    blockers = [*record["blockers"], *(f"the budget {verdict.budget.name} is missed" for verdict in missed)]
    return {
        **record,
        "release": not blockers,
        "blockers": blockers,
        "budgets": [_budget(budget) for budget in plan.budgets],
        "verdicts": [verdict_record(verdict) for verdict in verdicts if determined(verdict)],
        "figures": [figure_record(figure) for figure in measured.figures if not figure.clocked],
        "parity": [boundary_record(boundary) for boundary in lowered.boundaries],
        "program": program_record(lowered),
        "tools": {"edgec": edgec.__version__, **dict(sorted(lowered.versions.items()))},
    }


def measurements_record(
    plan: Plan, lowered: Lowered, measured: Measured, verdicts: Sequence[Verdict], bundle_sha256: str, host: Json
) -> dict[str, Json]:
    """Return measurements.json: every figure and verdict, the clocked ones with the machine they came from."""
    return {
        "schema": MEASUREMENTS_SCHEMA,
        "name": plan.name,
        "version": plan.version,
        "target": plan.target.name,
        "bundle_sha256": bundle_sha256,
        "model_sha256": lowered.pte_sha256,
        "host": host,
        "threads": plan.threads,
        "figures": [{**figure_record(figure), "clocked": figure.clocked} for figure in measured.figures],
        "verdicts": [verdict_record(verdict) for verdict in verdicts],
        "parity": [boundary_record(boundary) for boundary in lowered.boundaries],
        "program": program_record(lowered),
    }


def determined(verdict: Verdict) -> bool:
    """Whether the inputs alone determine a verdict, so that it may enter the tarball."""
    if verdict.figure is None:
        return verdict.budget.kind in ("accuracy", "size", "delegation")
    return not verdict.figure.clocked


def figure_record(figure: Figure) -> dict[str, Json]:
    """Return one figure; keys that hold nothing are left out."""
    record: dict[str, Json] = {
        "name": figure.name,
        "value": finite(figure.value),
        "unit": figure.unit,
        "evidence": figure.evidence,
    }
    if figure.samples is not None:
        record["samples"] = figure.samples
    if figure.interval is not None:
        record["interval"] = [finite(bound) for bound in figure.interval]
    if figure.detail:
        record["detail"] = _plain(figure.detail)
    return record


def verdict_record(verdict: Verdict) -> dict[str, Json]:
    """Return one verdict with the figure that it rests on; ``value`` is null where there is none."""
    figure = verdict.figure
    return {
        "budget": verdict.budget.name,
        "status": verdict.status,
        "limit": verdict.budget.limit,
        "value": finite(figure.value) if figure else None,
        "unit": figure.unit if figure else "",
        "evidence": figure.evidence if figure else "none",
        "samples": figure.samples if figure else None,
        "reason": verdict.reason,
    }


def boundary_record(boundary: Boundary) -> dict[str, Json]:
    """Return one comparison of docs/bundle.md's ``parity``; ``sqnr`` is null where there is no error at all."""
    return {
        "before": boundary.before,
        "after": boundary.after,
        "samples": boundary.samples,
        "max_abs_error": finite(boundary.max_abs_error),
        "max_relative_error": finite(boundary.max_relative_error),
        "sqnr": finite(boundary.sqnr),
        "agreement": boundary.agreement,
        "worst": boundary.worst,
    }


def program_record(lowered: Lowered) -> dict[str, Json]:
    """Return what is inside the artifact: operators by where they run, kernels, backends, memory by kind."""
    return {
        "parameters": lowered.parameters,
        "delegation": lowered.delegation,
        "backends": list(lowered.backends),
        "kernels": list(lowered.kernels),
        "operators": [
            {"name": op.name, "delegated": op.delegated, "left": op.left, "reason": op.reason, "where": list(op.where)}
            for op in lowered.operators
        ],
        "memory": {
            "arenas": list(lowered.memory.arenas),
            "delegate_blobs": lowered.memory.delegate_blobs,
            "weights": lowered.memory.weights,
            "constants": lowered.memory.constants,
        },
        "not_run": lowered.not_run,
        "resolved": dict(sorted(lowered.resolved.items())),
        "rewrites": [
            {
                "name": item.name,
                "places": item.places,
                "operators": list(item.operators),
                "weight_bytes": list(item.weight_bytes),
                "max_relative_error": item.max_relative_error,
                "dropped": item.dropped,
            }
            for item in lowered.rewrites
        ],
    }


def finite(value: float) -> float | None:
    """Return the value, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


def _budget(budget: Budget) -> dict[str, Json]:
    return {
        "name": budget.name,
        "kind": budget.kind,
        "statistic": budget.statistic,
        "sense": budget.sense,
        "limit": budget.limit,
        "text": budget.text,
        **slice_record(budget),
        **({"of": budget.of} if budget.of != "model" else {}),
        **({"after": budget.after} if budget.after else {}),
    }


def _plain(value: Any) -> Json:
    """Return nested mappings and sequences as plain JSON data, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return finite(value) if isinstance(value, float) else value
