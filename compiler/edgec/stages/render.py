"""A judged plan and its artifact go in; a Bundle comes out: every file's bytes, and the records that lie beside it."""

from __future__ import annotations

import hashlib
import platform
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgec.artifacts import provenance, records
from edgec.artifacts.bundle import Bundle, File, Runner
from edgec.artifacts.document import Json
from edgec.artifacts.evaluated import Evaluated, evaluated_record
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Measured, Verdict, written
from edgec.artifacts.plan import Plan
from edgec.artifacts.sbom import bill_of_materials
from edgec.artifacts.search import Searched, search_record, search_table
from edgec.artifacts.slices import condensed, notes, recorded_standing
from edgec.diagnostics import Diagnostic, Failure
from edgec.resources import resource
from edgec.runtime.host import cpu_name
from edgec.store.bundles import SUMS, sums
from edgec.store.files import sha256_of

if TYPE_CHECKING:
    from jinja2 import Environment

SENSES = {"min": "at least", "max": "at most", "max_drop": "at most, under fp32,", "max_flips": "at most, other than fp32,"}
SCRIPTS = ("run.sh", "verify.sh", "install.sh")


def render(
    plan: Plan,
    lowered: Lowered,
    job_folder: Path,
    runner: Runner,
    measured: Measured,
    verdicts: tuple[Verdict, ...],
    rejected: bool,
    searched: Searched | None = None,
    evaluated: Evaluated | None = None,
) -> Bundle:
    """Return the whole bundle; ``job_folder`` holds model.pte and the golden vectors, already hash-checked.

    ``rejected`` is the pipeline's word on whether what was missed, or with --strict left open, keeps it from release.
    ``searched`` is the search that chose the artifact. Clocks may have decided it, so it stays out of the tarball.
    ``evaluated`` is what its measurements keep for a comparison with another release.
    """
    record = records.bundle_record(plan, lowered, measured, verdicts)
    files = _binaries(lowered, job_folder, runner)
    files["bundle.json"] = File(content=records.json_bytes(record))
    files |= _templates(plan, record)
    digests = {name: _digest(file) for name, file in files.items()}
    if digests["model.pte"] != lowered.pte_sha256:
        raise Failure(Diagnostic(code="digest-mismatch", message="the job's model.pte is not the artifact that it recorded"))
    files["sbom.cdx.json"] = File(content=records.json_bytes(bill_of_materials(plan, lowered, digests)))
    digests["sbom.cdx.json"] = _digest(files["sbom.cdx.json"])
    files["provenance.json"] = File(content=records.json_bytes(provenance.statement(plan, lowered, runner, digests)))
    digests["provenance.json"] = _digest(files["provenance.json"])
    listing = sums(digests)
    files[SUMS] = File(content=listing)
    digest = hashlib.sha256(listing).hexdigest()
    host = {"cpu": cpu_name(), "architecture": platform.machine(), "system": platform.system()}
    measurements = records.measurements_record(plan, lowered, measured, verdicts, digest, host)
    measurements["rejected"] = rejected
    if searched is not None:
        measurements["search"] = search_record(searched)
    if evaluated is not None:
        measurements["evaluation"] = evaluated_record(evaluated)
    return Bundle(
        name=plan.name,
        version=plan.version,
        target=plan.target.name,
        files=files,
        digest=digest,
        measurements=records.json_bytes(measurements),
        report=_report(record, measurements, digests, searched),
        rejected=rejected,
    )


def _binaries(lowered: Lowered, job_folder: Path, runner: Runner) -> dict[str, File]:
    files = {
        "model.pte": File(content=job_folder / "model.pte"),
        "bin/edgec-run": File(content=runner.executable, executable=True),
    }
    files |= {f"lib/{path.name}": File(content=path) for path in runner.libraries}
    names = [name for vector in lowered.golden for name in (*vector.inputs, *vector.outputs)]
    return files | {f"tests/{name}": File(content=job_folder / name) for name in names}


def _templates(plan: Plan, record: Json) -> dict[str, File]:
    """Print the text files; each kind has its own way of making manifest text harmless (DESIGN section 6)."""
    shell = _environment("linux-native", finalize=shlex.quote)
    facts = {
        "name": plan.name,
        "version": plan.version,
        "architecture": plan.target.architecture,
        "required": record["hardware"]["required"],
        "features": plan.target.features,
        "cpu": plan.target.cpu,
    }
    files = {
        name: File(content=shell.get_template(f"{name}.j2").render(facts).encode(), executable=True) for name in SCRIPTS
    }
    unit = _environment("linux-native", finalize=systemd_text).get_template("systemd/name.service.j2")
    files[f"systemd/{plan.name}.service"] = File(content=unit.render(name=plan.name).encode())
    # The tests read bundle.json when they run; nothing is printed into them.
    files["tests/test_bundle.py"] = File(content=resource("templates", "linux-native", "tests", "test_bundle.py.j2"))
    markdown = _environment("linux-native", finalize=markdown_text)
    files["README.md"] = File(content=markdown.get_template("README.md.j2").render(_readme(plan, record)).encode())
    return files


def _environment(folder: str, *, finalize: Callable[[str], str] | None = None, html: bool = False) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(resource("templates", folder)),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=finalize,
        keep_trailing_newline=True,
        trim_blocks=True,
    )


def systemd_text(text: str) -> str:
    """Return text as a unit file takes it inside a value; raises ValueError where no quoting makes it safe there."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise ValueError(f"{text!r} does not go into a systemd unit")
    return text


def markdown_text(value: object) -> str:
    """Return a value as Markdown and HTML show it literally, on one line."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", text)


def _readme(plan: Plan, record: Json) -> dict[str, Json]:
    inputs = record["inputs"]
    image = inputs[0].get("image")
    verdicts = {verdict["budget"]: verdict for verdict in record["verdicts"]}
    budgets, more = _shown(record, verdicts)
    return {
        "plan": plan,
        "model": record["model"],
        "size": written(record["model"]["bytes"], "bytes"),
        "blockers": record["blockers"],
        "image": image,
        "inputs": [{**entry, "shape": shape_text(entry["shape"], entry["minimum"])} for entry in inputs],
        "outputs": [{**entry, "shape": shape_text(entry["shape"])} for entry in record["outputs"]],
        "budgets": [_budget_row(budget, verdicts.get(budget["name"])) for budget in budgets],
        "more_budgets": more,
    }


def _shown(record: Json, verdicts: Mapping[str, Json]) -> tuple[list[Json], list[str]]:
    """Return the budgets that people are shown, and a line on the rest of each limit's slices."""
    standings = [recorded_standing(budget, verdicts.get(budget["name"])) for budget in record["budgets"]]
    shown, rest = condensed(standings)
    return [record["budgets"][index] for index in shown], notes(standings, rest)


def _budget_row(budget: Json, verdict: Json) -> dict[str, str]:
    """Return a row of the README's table; a budget whose verdict a clock decides has none there."""
    sense = SENSES[budget["sense"]]
    known = verdict is not None and verdict["value"] is not None
    return {
        "name": budget["name"],
        "limit": f"{sense} {budget['text']}",
        "value": written(verdict["value"], verdict["unit"]) if known else "-",
        "evidence": verdict["evidence"] if verdict else "none",
        "status": verdict["status"] if verdict else "on the device",
    }


def shape_text(shape: list[int], minimum: list[int] | None = None) -> str:
    """Return a shape as people write it: ``1 × 96 × 96 × 3``, a dynamic axis as ``1..512``."""
    lows = minimum or shape
    return " × ".join(str(high) if low == high else f"{low}..{high}" for low, high in zip(lows, shape, strict=True))


def _report(record: Json, measurements: Json, digests: Mapping[str, str], searched: Searched | None) -> bytes:
    template = _environment("report", html=True)
    template.filters |= {"written": written, "shape": shape_text}
    figures = {figure["name"]: figure for figure in measurements["figures"]}
    verdicts = {verdict["budget"]: verdict for verdict in measurements["verdicts"]}
    budgets, more = _shown(record, verdicts)
    page = template.get_template("report.html.j2").render(
        bundle=record,
        measurements=measurements,
        figures=figures,
        verdicts=verdicts,
        budgets=budgets,
        more_budgets=more,
        digests=dict(sorted(digests.items())),
        candidates=search_table(searched) if searched else None,
    )
    return page.encode()


def _digest(file: File) -> str:
    if isinstance(file.content, Path):
        return sha256_of(file.content)
    return hashlib.sha256(file.content).hexdigest()
