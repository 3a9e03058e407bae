"""What the sources of an app read at run time: the model's facts and the golden vectors, as JSON files beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgec.artifacts.bundle import Layout
from edgec.artifacts.document import Json
from edgec.artifacts.measured import SAMPLES_FOR
from edgec.diagnostics import Diagnostic


def model_facts(record: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the app reads: the signature, the labels, the threads, and the artifact's digest."""
    return {key: record[key] for key in ("name", "version", "inputs", "outputs", "task", "threads", "model")}


def golden_facts(record: Mapping[str, Json], layout: Layout) -> dict[str, Json]:
    """Return what the test reads: golden vectors by their names below its own folder of assets, and the budgets.

    It times the execution alone, and under no load: budgets of the whole pipeline, or after a load, stay deferred.
    """
    golden, prefix = record["golden"], f"{layout.golden}/"
    vectors = [
        {**vector, **{side: [name.removeprefix(prefix) for name in vector[side]] for side in ("inputs", "outputs")}}
        for vector in golden["vectors"]
    ]
    budgets = [budget for budget in record["budgets"] if not {"of", "after"} & budget.keys()]
    needed = [SAMPLES_FOR.get(budget["statistic"], 0) for budget in budgets if budget["kind"] == "latency"]
    return {
        **{key: record[key] for key in ("name", "version", "target", "threads")},
        "budgets": budgets,
        "model_sha256": record["model"]["sha256"],
        "absolute": golden["absolute"],
        "relative": golden["relative"],
        "vectors": vectors,
        "samples": max([256, *needed]),
    }


def differences(folder: Path, record: Mapping[str, Json], model: str, golden: str, layout: Layout) -> list[Diagnostic]:
    """Hold both files of a bundle against its bundle.json; return a ``bundle-broken`` for each that says otherwise."""
    pairs = ((model, model_facts(record)), (golden, golden_facts(record, layout)))
    wrong = [name for name, expected in pairs if _read(folder / name) != expected]
    return [Diagnostic(code="bundle-broken", message=f"{name} is not what bundle.json says") for name in wrong]


def _read(path: Path) -> Json:
    try:
        return json.loads(path.read_bytes()) if path.is_file() else None
    except ValueError:
        return None
