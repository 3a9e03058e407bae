"""Bundles from a registry: all fetched, checked and judged by the policy before any appears where builds are written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgec.artifacts.attestation import stem
from edgec.artifacts.bundle import Bundle, File, Written
from edgec.artifacts.image import TARGET
from edgec.artifacts.policy import Policy
from edgec.artifacts.signed import Papers, Signer
from edgec.diagnostics import Diagnostic, Failure
from edgec.stages.write import write
from edgec.store.admission import admitted, downgrade
from edgec.store.atomic import exclusive
from edgec.store.bundles import SUMS
from edgec.store.pull import Fetched, fetch

if TYPE_CHECKING:
    from edgec.artifacts.oci import Descriptor
    from edgec.store.transport import Session

STAGING = ".edgec-pull"
LOCK = ".edgec-pull-lock"
VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+([-+].*)?")


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A bundle that lies on the disk now, what it was in the registry, and who signed it as far as that was asked."""

    fetched: Fetched
    written: Written
    signers: tuple[Signer, ...]


def arrive(
    session: Session, wanted: Sequence[Descriptor], out: Path, blobs: Path, policy: Policy, say: Callable[[str], None]
) -> list[Arrived]:
    """Write the bundles ``wanted`` below ``out`` as a build does, their layers kept in ``blobs``.

    What a killed pull left below ``out`` is removed first. Raises Failure as ``pull.fetch`` and ``let_in`` do; OSError.
    """
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    staging = out / STAGING
    try:
        with exclusive(out / LOCK):
            _discard(staging)
            staging.mkdir()
            try:
                fetched = [_fetched(session, described, blobs, staging, say) for described in wanted]
                signers = let_in(fetched, policy, out)
                return [
                    Arrived(fetched=item, written=write(_bundle(item), out), signers=by)
                    for item, by in zip(fetched, signers, strict=True)
                ]
            finally:
                _discard(staging)
    finally:
        if made and not any(out.iterdir()):
            out.rmdir()


def _fetched(session: Session, described: Descriptor, blobs: Path, staging: Path, say: Callable[[str], None]) -> Fetched:
    folder = staging / described.digest.partition(":")[2]
    folder.mkdir()
    say(f"pulling {described.annotations.get(TARGET, 'a bundle')}, {described.digest}")
    return fetch(session, described, blobs, folder)


def let_in(fetched: Sequence[Fetched], policy: Policy, out: Path) -> list[tuple[Signer, ...]]:
    """Return who signed each bundle, once all that ``policy`` asks holds for all of them.

    A policy against downgrades goes by the versions that lie in ``out`` already. Raises Failure as ``admission.admitted``
    does, and ``version-downgrade``, for all of them together.
    """
    found: list[tuple[Signer, ...]] = []
    problems: list[Diagnostic] = []
    for item in fetched:
        facts = item.bundle.facts
        name = f"{stem(facts)} in the registry"
        given = Papers(
            measurements=item.measurements,
            signature=item.signature,
            measurements_name=f"the measurements of {name}",
            signature_name=f"the signature of {name}",
        )
        try:
            found.append(admitted(item.bundle, given, policy))
        except Failure as failure:
            problems += failure.diagnostics
        folders = [path for path in (out / facts["name"]).glob("*") if (path / facts["target"]).is_dir()]
        known = [path.name for path in folders if VERSION.fullmatch(path.name)]
        if older := downgrade(facts["name"], facts["version"], known, policy):
            problems.append(older)
    if problems:
        raise Failure(*problems)
    return found


def _bundle(fetched: Fetched) -> Bundle:
    """Return what was fetched as what a build writes; files keep their bytes and whether they are executable."""
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
        signature=fetched.signature,
    )


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
