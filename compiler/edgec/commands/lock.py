"""`edgec lock`: what a manifest is built from, and what came of it, written down beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.artifacts.document import Json
from edgec.artifacts.settings import Settings
from edgec.commands.options import common, exit_code, output
from edgec.commands.planning import plans
from edgec.diagnostics import Diagnostic, Failure, Location

if TYPE_CHECKING:
    from edgec.artifacts.plan import Plan
    from edgec.artifacts.project import Project


@click.command("lock", short_help="Write down what manifests are built from.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--root", type=click.Path(path_type=Path, exists=True, file_okay=False), help="What paths may not leave.")
@click.option("--offline", is_flag=True, help="Fetch nothing.")
@click.option("--check", is_flag=True, help="Write nothing; exit code 7 where a lock is missing or something in it is not so.")
@common("human", "json")
def command(paths: tuple[Path, ...], root: Path | None, offline: bool, check: bool) -> int:
    """Write MANIFEST.lock beside every manifest of PATH... (default: manifests/).

    It holds the sha256 of weights, data and code, the versions of all packages that take part, the runtime packs and the
    toolchain, and, for each target that was built from exactly these, the sha256 of each file of its bundle. Weights that the
    manifest names without their whole sha256 are fetched for it. `edgec build --locked` refuses whatever differs.
    """
    settings = Settings(root=root, offline=offline)
    found = plans(paths, settings)
    diagnostics, rows = list(found.diagnostics), []
    from edgec.locking import by_manifest

    for group in by_manifest(found.work):
        try:
            row, told = _locked(group, settings, check)
        except Failure as failure:
            diagnostics += failure.diagnostics
        else:
            rows.append(row)
            diagnostics += told
    code = exit_code(diagnostics)
    out = output()
    if out.format == "json":
        from edgec.output import json

        out.data(json.render(diagnostics, found.documents, code, locks=rows))
    else:
        out.data("\n".join(_line(row) for row in rows))
        out.findings(diagnostics, found.documents)
    return code


def _locked(group: list[tuple[Plan, Project]], settings: Settings, check: bool) -> tuple[dict[str, Json], list[Diagnostic]]:
    """Lock one manifest, or with ``check`` only say what is wrong with its lock."""
    from edgec.locking import lock_record
    from edgec.stages.lock import drifted, restated
    from edgec.store.cache import Cache, default_folder
    from edgec.store.lockfile import lock_of, read_lock, write_lock

    plan = group[0][0]
    manifest = Path(plan.manifest)
    told: list[Diagnostic] = []
    try:
        before = read_lock(manifest)
    except Failure as failure:
        if check or not all(item.code == "lock-invalid" for item in failure.diagnostics):
            raise
        before, told = None, [_renewed(item) for item in failure.diagnostics]
    record = lock_record(group, settings, Cache(folder=default_folder()), before)
    row: dict[str, Json] = {
        "manifest": plan.manifest,
        "lock": str(lock_of(manifest)),
        "status": "current" if record == before else "new" if before is None and not told else "changed",
        "written": record != before and not check,
        "inputs": sum(len(part) for part in record["inputs"].values() if isinstance(part, dict)),
        "targets": {name: artifact["bundle"] if artifact else None for name, artifact in record["targets"].items()},
        "unlocked": [],
    }
    if check and before is None:
        message, hint = f"{plan.manifest} has no lock", f"edgec lock {plan.manifest}"
        told.append(Diagnostic(code="lock-missing", message=message, where=Location(file=plan.manifest), hint=hint))
    elif check and before is not None:
        row["unlocked"] = [name for name, made in record["targets"].items() if made and not before["targets"].get(name, made)]
        told += drifted(plan, before, record["inputs"]) or restated(plan, before, record)
    elif record != before:
        write_lock(manifest, record)
    return row, told


def _renewed(damage: Diagnostic) -> Diagnostic:
    """Tell of a lock that could not be read, and in whose place a new one is written."""
    message = f"{damage.message}; it is written anew"
    hint = "what it held of bundles that were built with another cache is gone; version control may have it whole"
    return replace(damage, severity="warning", message=message, hint=hint)


def _line(row: dict[str, Json]) -> str:
    bare = [name for name, bundle in row["targets"].items() if bundle is None]
    without = f"; not built yet from these, so without artifacts: {', '.join(bare)}" if bare else ""
    later = row.get("unlocked")
    since = f"; built since, `edgec lock` adds the artifacts of: {', '.join(later)}" if later else ""
    status = row["status"] if row["written"] or row["status"] == "current" else f"would be {row['status']}"
    return f"{status:<8} {row['lock']}: {row['inputs']} inputs, {len(row['targets'])} targets{without}{since}"
