"""A Release from a registry: which bundle is meant, and its files, verified, in a folder of the caller's."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.artifacts.image import (
    BUNDLE,
    DIGEST,
    EVIDENCE,
    MEASUREMENTS,
    PLATFORMS,
    REPORT,
    TARGET,
    TOP,
    VERSION,
    images_of,
    parts_of,
)
from edgec.artifacts.oci import MANIFEST, Descriptor, annotations_of
from edgec.artifacts.reference import Reference
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.store import archive
from edgec.store.attached import attached
from edgec.store.bundles import OpenBundle, opened
from edgec.store.download import pull_blob
from edgec.store.oci import Stored, manifest, mismatch, tags
from edgec.store.packing import measured_on
from edgec.store.transport import Session


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A bundle's files as they came: the checked bundle, what was measured on it, and its signature file, not yet checked."""

    described: Descriptor
    bundle: OpenBundle
    measurements: bytes
    report: bytes
    signature: bytes | None


def resolved(session: Session, reference: Reference) -> Stored:
    """Return the index, or one target's manifest, that ``reference`` names. Raises Failure ``no-release``."""
    if reference.name is None:
        raise _none(session, reference, "has no tag")
    found = manifest(session, reference.name)
    if found is None:
        raise _none(session, reference, "is not in the registry")
    return found


def bundles(stored: Stored, reference: Reference) -> tuple[Descriptor, ...]:
    """Return the descriptors of the bundles in a release; a target's own manifest is one of one bundle.

    Raises Failure ``no-bundle`` for what is no release of edgec's.
    """
    record = stored.record()
    try:
        if "manifests" in record:
            return images_of(record)
        parts_of(record)
    except ValueError as error:
        hint = "edgec pull takes what edgec push put there"
        raise Failure(Diagnostic(code="no-bundle", message=f"{reference} is no release: {error}", hint=hint)) from None
    size, marks = len(stored.content), annotations_of(record)
    return (Descriptor(media_type=MANIFEST, digest=stored.digest, size=size, artifact_type=BUNDLE, annotations=marks),)


def chosen(
    found: Sequence[Descriptor], targets: Sequence[str], every: bool, reference: Reference
) -> tuple[Descriptor, ...]:
    """Return the bundles that are meant: those of ``targets``, all, the only one, or the only one for this machine.

    Raises Failure ``target-unclear``.
    """
    by_target = {item.annotations.get(TARGET, ""): item for item in found}
    unknown = [name for name in targets if name not in by_target]
    if unknown:
        near = nearest(unknown[0], by_target)
        hint = f"did you mean {near!r}?" if near else None
        raise _unclear(f"{reference} has no bundle for {', '.join(unknown)}; it has {', '.join(sorted(by_target))}", hint)
    if targets:
        return tuple(by_target[name] for name in dict.fromkeys(targets))
    if every or len(found) == 1:
        return tuple(found)
    machine = platform.machine()
    architecture = PLATFORMS.get(machine, {}).get("architecture", machine)
    mine = [item for item in found if (item.platform or {}).get("architecture") == architecture]
    if len(mine) == 1:
        return (mine[0],)
    count = f"{len(mine)} bundles" if mine else "no bundle"
    message = f"{reference} has {count} for this machine ({machine}), of the targets {', '.join(sorted(by_target))}"
    raise _unclear(message, "name one with --target, or take all with --all-targets")


def fetch(session: Session, described: Descriptor, blobs: Path, folder: Path) -> Fetched:
    """Fetch one bundle into the empty ``folder``, its layers kept in ``blobs``; every digest on the way is compared.

    Raises Failure ``digest-mismatch``, ``bundle-broken``, ``registry-refused``, ``registry-unreachable``; OSError.
    """
    stored = manifest(session, described.digest)
    if stored is None or len(stored.content) != described.size:
        found = "not in the registry" if stored is None else f"{len(stored.content)} bytes long"
        raise mismatch(f"a manifest of {session.reference}", described.digest, found)
    try:
        parts = parts_of(stored.record())
    except ValueError as error:
        raise Failure(Diagnostic(code="bundle-broken", message=f"{described.digest}: {error}")) from None
    for part in parts:
        blob = pull_blob(session, part.layer, blobs / part.layer.digest.partition(":")[2])
        names = archive.extract(blob, folder)
        allowed = {MEASUREMENTS, REPORT} if part.name == EVIDENCE else set()
        if strange := [name for name in names if name not in allowed and (allowed or not name.startswith(f"{TOP}/"))]:
            message = f"the layer {part.name!r} of {described.digest} holds {strange[0]!r}, which is not of that part"
            raise Failure(Diagnostic(code="bundle-broken", message=message))
    return _checked(described, folder, stored.record(), attached(session, described.digest))


def _checked(described: Descriptor, folder: Path, record: Json, signature: bytes | None) -> Fetched:
    """Check what was unpacked: the bundle's own digests, its evidence, and that it is what the registry calls it."""
    missing = [name for name in (MEASUREMENTS, REPORT) if not (folder / name).is_file()]
    if missing:
        raise Failure(Diagnostic(code="bundle-broken", message=f"{described.digest} has no {' and no '.join(missing)}"))
    with opened(folder / TOP) as bundle:
        measured_on(folder / MEASUREMENTS, bundle)
        facts = bundle.facts
        called = {**annotations_of(record), **described.annotations}
        for key, own in ((TARGET, facts["target"]), (DIGEST, bundle.digest), (VERSION, facts["version"])):
            if called.get(key, own) != own:
                raise mismatch(f"the {key} of {described.digest}", str(called[key]), own)
        return Fetched(
            described=described,
            bundle=bundle,
            measurements=(folder / MEASUREMENTS).read_bytes(),
            report=(folder / REPORT).read_bytes(),
            signature=signature,
        )


def _none(session: Session, reference: Reference, what: str) -> Failure:
    known = [tag for tag in tags(session) if not tag.endswith(".sig")]
    near = nearest(reference.tag or "", known)
    listed = ", ".join(known[-10:]) or "none"
    hint = f"did you mean {reference.at(near)}?" if near else f"tags of {reference.repository}: {listed}"
    return Failure(Diagnostic(code="no-release", message=f"{reference} {what}", hint=hint))


def _unclear(message: str, hint: str | None) -> Failure:
    return Failure(Diagnostic(code="target-unclear", message=message, hint=hint))


