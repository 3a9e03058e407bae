"""`edgec pull`: a release from a registry, verified, to where `edgec build` would have written it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.artifacts.bundle import Bundle, File, Written
from edgec.commands.options import common, output, plain_http_options
from edgec.store.bundles import SUMS
from edgec.store.pull import Fetched

if TYPE_CHECKING:
    from edgec.artifacts.oci import Descriptor
    from edgec.store.transport import Session

STAGING = ".edgec-pull"
LOCK = ".edgec-pull-lock"


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """A bundle that lies on the disk now, and what it was in the registry."""

    fetched: Fetched
    written: Written


@click.command("pull", short_help="Pull a release from a registry.")
@click.argument("reference", metavar="oci://HOST/REPOSITORY:TAG")
@click.option("--target", "targets", multiple=True, help="Pull this target's bundle; may be given several times.")
@click.option("--all-targets", is_flag=True, help="Pull the bundles of all targets.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), help="Where to (default: out/).")
@plain_http_options
@common("human", "json")
def command(
    reference: str, targets: tuple[str, ...], all_targets: bool, out: Path, plain_http: bool, insecure_plain_http: bool
) -> int:
    """Pull a release: the bundle of --target, else the only one, else the only one for this machine's architecture.

    TAG may be followed by @sha256:…, or left out before one: a digest names one release for ever, a tag need not.
    Every digest is compared, and the bundle's own SHA256SUMS, before it appears, whole or not at all. A pull that was
    cut short goes on where it stopped. Credentials are those of docker login.
    """
    from edgec.artifacts.reference import reference as parsed
    from edgec.store.atomic import environment_errors
    from edgec.store.pull import bundles, chosen, resolved
    from edgec.store.transport import connected, plain_http_allowed

    if targets and all_targets:
        raise click.UsageError("--target names some targets, --all-targets means all")
    where = parsed(reference)
    plain = plain_http_allowed(where, plain_http, insecure_plain_http)
    with connected(where, plain) as session, environment_errors(f"pull {reference}"):
        stored = resolved(session, where)
        wanted = chosen(bundles(stored, where), targets, all_targets, where)
        done = _pulled(session, wanted, out)
    _tell(reference, stored.digest, done)
    return 0


def _pulled(session: Session, wanted: Sequence[Descriptor], out: Path) -> list[Pulled]:
    """Fetch all of ``wanted`` before any of it appears below ``out``."""
    from edgec.stages.write import write
    from edgec.store.atomic import exclusive
    from edgec.store.cache import default_folder
    from edgec.store.pull import fetch

    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    staging = out / STAGING
    try:
        with exclusive(out / LOCK):
            _discard(staging)
            staging.mkdir()
            try:
                fetched = []
                for described in wanted:
                    folder = staging / described.digest.partition(":")[2]
                    folder.mkdir()
                    output().say(f"pulling {described.annotations.get('dev.edgec.target', '')} {described.digest}")
                    fetched.append(fetch(session, described, default_folder() / "downloads", folder))
                return [Pulled(fetched=item, written=write(_bundle(item), out)) for item in fetched]
            finally:
                _discard(staging)
    finally:
        if made and not any(out.iterdir()):
            out.rmdir()


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _bundle(fetched: Fetched) -> Bundle:
    """Return what was fetched as what `edgec build` writes; files keep their bytes and whether they are executable."""
    found, facts = fetched.bundle, fetched.bundle.facts
    paths = {name: found.folder / name for name in (*found.digests, SUMS)}
    return Bundle(
        name=facts["name"],
        version=facts["version"],
        target=facts["target"],
        files={name: File(content=path, executable=bool(path.stat().st_mode & 0o100)) for name, path in paths.items()},
        digest=found.digest,
        measurements=fetched.measurements,
        report=fetched.report,
        rejected=False,
    )


def _tell(reference: str, digest: str, done: list[Pulled]) -> None:
    out = output()
    if out.format == "json":
        from edgec.output import json

        release = {"reference": reference, "digest": digest, "bundles": [_record(item) for item in done]}
        out.data(json.render([], {}, release=release))
        return
    from edgec.output.human import printable

    out.data(f"{printable(reference)} {digest}")
    for item in done:
        facts = item.fetched.bundle.facts
        out.data(f"  {printable(facts['target'])}: {printable(str(item.written.folder))}")
        out.data(f"    bundle sha256 {item.fetched.bundle.digest}")


def _record(item: Pulled) -> dict[str, object]:
    found = item.fetched.bundle
    return {
        **{key: found.facts[key] for key in ("name", "version", "target")},
        "manifest": item.fetched.described.digest,
        "bundle_sha256": found.digest,
        "folder": str(item.written.folder),
        "tarball": str(item.written.tarball),
        "measurements": str(item.written.measurements),
        "report": str(item.written.report),
    }
