"""A judged plan and its artifact go in; a Bundle comes out: every file's bytes, and the records that lie beside it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from pathlib import Path

from edgec.artifacts import provenance, records, sbom
from edgec.artifacts.bundle import Bundle, File, Layout, Runner
from edgec.artifacts.document import Json
from edgec.artifacts.evaluated import Evaluated, evaluated_record
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Measured, Verdict
from edgec.artifacts.parts import Parts
from edgec.artifacts.plan import Plan
from edgec.artifacts.search import Searched, search_record, search_table
from edgec.checks.candidates import without_runtime
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.kinds.printing import environment, shown_budgets
from edgec.registry import bundle_kind
from edgec.runtime.host import cpu_name
from edgec.store.bundles import SUMS, sums
from edgec.store.cache import Cache
from edgec.store.files import sha256_of
from edgec.store.once import once


def render(
    plan: Plan,
    lowered: Lowered,
    job_folder: Path,
    runner: Runner | None,
    measured: Measured,
    verdicts: tuple[Verdict, ...],
    rejected: bool,
    searched: Searched | None = None,
    evaluated: Evaluated | None = None,
    cache: Cache | None = None,
) -> Bundle:
    """Return the whole bundle; ``job_folder`` holds model.pte and the golden vectors, already hash-checked.

    ``rejected`` is the pipeline's word on whether what was missed, or with --strict left open, keeps it from release.
    ``searched`` is the search that chose the artifact. Clocks may have decided it, so it stays out of the tarball.
    ``evaluated`` is what its measurements keep for a comparison with another release. ``cache`` keeps the parts of the bill of
    materials, which most changes of a manifest leave as they are.
    """
    kind = bundle_kind(plan.target.kind)
    _refuse_types(plan, lowered, kind.DTYPES)
    record = records.bundle_record(plan, lowered, measured, verdicts, kind.LAYOUT)
    parts = Parts(
        plan=plan,
        lowered=lowered,
        job_folder=job_folder,
        measured=measured,
        record=record,
        runner=runner,
        lacking=() if runner else without_runtime(plan.delegates, plan.target),
    )
    files = _artifact(lowered, job_folder, kind.LAYOUT) | kind.files(parts)
    files["bundle.json"] = File(content=records.json_bytes(record))
    digests = {name: _digest(file) for name, file in files.items()}
    if digests[kind.LAYOUT.model] != lowered.pte_sha256:
        raise Failure(Diagnostic(code="digest-mismatch", message="the job's model.pte is not the artifact that it recorded"))
    _refuse_changed(files, digests, runner)
    listed = sbom.listed(plan, lowered, digests, kind.requirements(parts))
    bill = sbom.numbered(once(cache, "sbom", listed, lambda: sbom.bill_of_materials(listed)), digests)
    files["sbom.cdx.json"] = File(content=records.json_bytes(bill))
    digests["sbom.cdx.json"] = _digest(files["sbom.cdx.json"])
    files["provenance.json"] = File(content=records.json_lines(provenance.statement(plan, lowered, runner, digests)))
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
        digests=digests,
        digest=digest,
        measurements=records.json_bytes(measurements),
        report=_report(record, measurements, digests, searched),
        rejected=rejected,
    )


def _refuse_types(plan: Plan, lowered: Lowered, types: tuple[str, ...]) -> None:
    """Raise Failure ``does-not-fit`` for each output that the bundle's sources cannot read; of inputs a rule has said it."""
    hint = f"types of such a bundle: {', '.join(types)}; let the model convert its answer to one of them"
    place = Location(file=plan.manifest, route=("model",))
    told = f"and a bundle for {plan.target.name!r} reads no tensor of that"
    wrong = [tensor for tensor in lowered.outputs if types and tensor.dtype not in types]
    messages = [f"the output {tensor.name!r} is {tensor.dtype}, {told}" for tensor in wrong]
    if messages:
        raise Failure(*(Diagnostic(code="does-not-fit", message=text, where=place, hint=hint) for text in messages))


def _refuse_changed(files: Mapping[str, File], digests: Mapping[str, str], runner: Runner | None) -> None:
    """Raise Failure ``digest-mismatch`` where the runner or a library is not what was checked: a search may lie between."""
    for name, file in files.items():
        if not runner or not isinstance(file.content, Path):
            continue
        if digests[name] != runner.sha256.get(file.content, digests[name]):
            message = f"{name} changed while the bundle was made: {file.content}"
            raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="build again"))


def _artifact(lowered: Lowered, job_folder: Path, layout: Layout) -> dict[str, File]:
    names = [name for vector in lowered.golden for name in (*vector.inputs, *vector.outputs)]
    names += [vector.picture for vector in lowered.golden if layout.pictures and vector.picture]
    golden = {f"{layout.golden}/{name}": File(content=job_folder / name) for name in names}
    return {layout.model: File(content=job_folder / "model.pte")} | golden


def _report(record: Json, measurements: Json, digests: Mapping[str, str], searched: Searched | None) -> bytes:
    template = environment("report", html=True).get_template("report.html.j2")
    figures = {figure["name"]: figure for figure in measurements["figures"]}
    verdicts = {verdict["budget"]: verdict for verdict in measurements["verdicts"]}
    budgets, more = shown_budgets(record, verdicts)
    page = template.render(
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
