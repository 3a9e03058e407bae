"""A packed Release to a registry: the blobs that it lacks, then the manifests, then the tag, and all of it read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgec.artifacts.image import EVIDENCE, TARGET, config_of, images_of, parts_of
from edgec.artifacts.oci import CONFIG, INDEX, MANIFEST, describe
from edgec.artifacts.reference import Reference
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.attached import attach
from edgec.store.cache import Cache
from edgec.store.oci import Stored, has_blob, manifest, mismatch, put_manifest
from edgec.store.packing import Packed, Release
from edgec.store.transport import Session
from edgec.store.upload import push_blob, push_bytes


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What lies in the registry now: the index under its tag, each target's manifest digest, and the layers that were sent.

    ``fresh`` is false where the release was there before. ``sent`` and ``kept`` name layers as ``target/part``. ``signed`` are
    targets with a signature; ``unsent`` those whose signature is of other measurements than those in the registry.
    """

    reference: Reference
    digest: str
    fresh: bool
    manifests: Mapping[str, str]
    sent: tuple[str, ...]
    kept: tuple[str, ...]
    sent_bytes: int
    signed: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()


def push(session: Session, release: Release, tag: str, force: bool, cache: Cache | None, say: Callable[[str], None]) -> Pushed:
    """Push ``release`` under ``tag``; a tag that holds another release is left alone unless ``force`` moves it.

    A release whose bundles are there already is not replaced by one that was only measured anew: what was signed and pulled
    stays as it is. ``cache`` remembers uploads that are cut short. Raises Failure ``tag-taken``, ``digest-mismatch``,
    ``registry-refused``, ``registry-unreachable``; OSError.
    """
    before = manifest(session, tag)
    if before and not force:
        return _left(session, release, tag, before, say, "another release")
    sent: dict[str, int] = {}
    kept: list[str] = []
    for bundle in release.bundles:
        _push_blobs(session, bundle, cache, say, sent, kept)
        put_manifest(session, bundle.image.manifest, MANIFEST)
        if bundle.signature is not None:
            attach(session, bundle.image.described, bundle.signature, force)
    now = manifest(session, tag)
    if now and not force:
        return _left(session, release, tag, now, say, "what another push put there meanwhile")
    stored = put_manifest(session, release.index, INDEX, tag)
    verified(session, Stored(content=release.index, media_type=INDEX, digest=stored.digest))
    return Pushed(
        reference=session.reference.at(tag),
        digest=stored.digest,
        fresh=True,
        manifests={bundle.image.target: bundle.image.described.digest for bundle in release.bundles},
        sent=tuple(sent),
        kept=tuple(kept),
        sent_bytes=sum(sent.values()),
        signed=tuple(bundle.image.target for bundle in release.bundles if bundle.signature is not None),
    )


def _left(session: Session, release: Release, tag: str, there: Stored, say: Callable[[str], None], what: str) -> Pushed:
    """Return what lies there where it is the very bundles of ``release``. Raises Failure ``tag-taken`` otherwise."""
    manifests = _same_release(session, there, release)
    if not manifests:
        message = f"{session.reference.at(tag)} holds {what}: {there.digest}"
        hint = "a release does not change once it is out: give it a new version, or pass --force to move the tag"
        raise Failure(Diagnostic(code="tag-taken", message=message, hint=hint))
    verified(session, there)
    say(f"{session.reference.at(tag)} holds these bundles already")
    given = [bundle for bundle in release.bundles if bundle.signature is not None]
    fits = [bundle for bundle in given if manifests[bundle.image.target] == bundle.image.described.digest]
    for bundle in fits:
        attach(session, bundle.image.described, bundle.signature or b"", force=False)
    return Pushed(
        reference=session.reference.at(tag),
        digest=there.digest,
        fresh=False,
        manifests=dict(sorted(manifests.items())),
        sent=(),
        kept=tuple(f"{item.image.target}/{part.name}" for item in release.bundles for part in item.image.parts),
        sent_bytes=0,
        signed=tuple(bundle.image.target for bundle in fits),
        unsent=tuple(bundle.image.target for bundle in given if bundle not in fits),
    )


def _push_blobs(
    session: Session,
    bundle: Packed,
    cache: Cache | None,
    say: Callable[[str], None],
    sent: dict[str, int],
    kept: list[str],
) -> None:
    image = bundle.image
    for part in image.parts:
        name = f"{image.target}/{part.name}"
        if push_blob(session, part.layer, bundle.files[part.layer.digest], cache):
            sent[name] = part.layer.size
            say(f"{name}: sent, {part.layer.size:,} bytes")
        else:
            kept.append(name)
            say(f"{name}: there already")
    push_bytes(session, describe(image.config, CONFIG), image.config)


def verified(session: Session, index: Stored) -> None:
    """Read back all that an index names: each manifest by its digest, each blob by digest and size. Raises Failure."""
    for described in images_of(index.record()):
        found = manifest(session, described.digest)
        if found is None:
            raise mismatch(f"the manifest of {described.annotations}", described.digest, "not in the registry")
        record = found.record()
        for blob in (config_of(record), *(part.layer for part in parts_of(record))):
            if not has_blob(session, blob):
                raise mismatch("a blob of the release", blob.digest, "not in the registry")


def _same_release(session: Session, before: Stored, release: Release) -> dict[str, str]:
    """Return the manifest digest of each target where ``before`` holds the very bundles of ``release``, else nothing.

    What differs between two builds of the same inputs is what clocks measured: the layer with the evidence. Raises Failure as
    ``manifest`` does: a cut network says nothing about what is there.
    """
    try:
        there = {item.annotations[TARGET]: item.digest for item in images_of(before.record())}
        wanted = {bundle.image.target: bundle.image for bundle in release.bundles}
        if set(there) != set(wanted):
            return {}
        for target, digest in there.items():
            found = manifest(session, digest)
            ours = {part.layer.digest for part in wanted[target].parts if part.name != EVIDENCE}
            if not found or {part.layer.digest for part in parts_of(found.record()) if part.name != EVIDENCE} != ours:
                return {}
    except ValueError:  # what is there is no release of edgec's
        return {}
    except Failure as failure:
        if any(found.code != "bundle-broken" for found in failure.diagnostics):
            raise
        return {}  # nor is this
    return there
