"""`edgec inspect`: what is inside a bundle or a bare .pte, without running it."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from pathlib import Path

import click

from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.evidence import strength
from edgec.commands.options import common, output
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.figures import read_figures

SCHEMA = "edgec/inspection/v1"


@click.command("inspect", short_help="Show what is inside a bundle or a .pte file.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option(
    "--with",
    "measured",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Merge a device's verify.json, or the build's measurements.json, of the same bundle.",
)
@common("human", "json")
def command(artifact: Path, measured: Path | None) -> int:
    """Show what is in ARTIFACT (a bundle's folder or tarball, or a .pte): digests, signature, operators, budgets."""
    if artifact.suffix == ".pte":
        if measured:
            raise click.UsageError("--with needs a bundle: a bare .pte has no digest of its bundle")
        record = program(artifact)
    else:
        record = bundle(artifact, measured)
    if output().format == "json":
        output().data(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False))
        return 0
    from edgec.output.inspection import human

    output().data(human(record, output().colour(sys.stdout)))
    return 0


def bundle(path: Path, measured: Path | None) -> dict[str, Json]:
    """Return the record of a checked bundle, with the figures of ``measured`` where given."""
    from edgec.store.bundles import opened

    with opened(path) as found:
        record = {
            **found.facts,
            "schema": SCHEMA,
            "bundle_sha256": found.digest,
            "files": dict(found.digests),
        }
    return merged(record, measured) if measured else record


def program(path: Path) -> dict[str, Json]:
    """Return the record of a .pte, also one that edgec did not build. Imports executorch."""
    from edgec.runtime.libraries import library_of
    from edgec.runtime.program import read_program
    from edgec.store.atomic import read_errors
    from edgec.store.files import is_file, no_file

    with read_errors(str(path)):
        if not is_file(path):
            raise Failure(Diagnostic(code="no-bundle", message=f"{path} {no_file(path)}"))
        data = path.read_bytes()
    # What torch and torchao log when they are imported says nothing about the file.
    logging.disable(logging.WARNING)
    found = read_program(data)
    facts = to_json(found)
    return {
        "schema": SCHEMA,
        "model": {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)},
        "inputs": facts["inputs"],
        "outputs": facts["outputs"],
        "program": {
            **{key: facts[key] for key in ("method", "methods", "dynamic", "kernels", "delegates", "memory")},
            "runtime": {name: library_of(name) for name in (*found.delegates, *found.kernels)},
        },
    }


def merged(record: dict[str, Json], path: Path) -> dict[str, Json]:
    """Return ``record`` with the verdicts and the bench of a verification or measurements file of the same bundle.

    Raises Failure ``digest-mismatch`` for a file of another bundle, ``bundle-broken`` for one that is neither.
    """
    found = read_figures(path)
    if found["bundle_sha256"] != record["bundle_sha256"]:
        message = f"{path} was measured on the bundle {found['bundle_sha256']}, this one is {record['bundle_sha256']}"
        hint = "verify this bundle on the device again"
        raise Failure(Diagnostic(code="digest-mismatch", message=message, hint=hint))
    verdicts = {verdict["budget"]: verdict for verdict in record["verdicts"]}
    for verdict in found.get("verdicts", []):
        if verdict["status"] != "deferred" and strength(verdict) > strength(verdicts.get(verdict["budget"])):
            verdicts[verdict["budget"]] = verdict
    return {**record, "verdicts": [*verdicts.values()], "measured": {key: found[key] for key in MEASURED if key in found}}


MEASURED = ("schema", "evidence", "status", "golden", "bench", "host", "figures")
"""What is taken over from a verify.json or measurements.json, beside its verdicts."""
