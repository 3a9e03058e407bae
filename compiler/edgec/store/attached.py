"""Signatures in a registry: attached to a manifest by a tag of its digest, as registries without a referrers API need it."""

from __future__ import annotations

import json
import random
import time

from edgec.artifacts.document import Json
from edgec.artifacts.envelope import Envelope, envelope_line, read_envelope
from edgec.artifacts.image import SIGNATURE, signature_tag
from edgec.artifacts.oci import MANIFEST, Descriptor, canonical, describe, descriptor
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.oci import NO_CONFIG, blob, manifest, send_manifest
from edgec.store.transport import Session
from edgec.store.upload import push_bytes

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
WRITES = 5
PAUSE = 0.5
"""Most seconds, drawn anew each time, that a pusher waits whose signature another has written over."""


def attach(session: Session, image: Descriptor, content: bytes, force: bool) -> bool:
    """Attach a signature file to an image; return whether anything was sent.

    Signatures of the same statement by other keys, which are there already or come at this moment, stay. Raises Failure
    ``tag-taken`` where another statement is attached (``force`` replaces it), ``digest-mismatch`` where it does not stay,
    ``signature-invalid``, and those of ``manifest`` and ``push_blob``.
    """
    ours = read_envelope(content, "the signature file")
    there = attached(session, image.digest)
    for written in range(WRITES + 1):  # a registry has no compare-and-swap: another pusher's write may have taken ours away
        wanted = content if there is None else _merged(session, image, ours, there, force)
        if wanted == there:
            return written > 0
        if written == WRITES:
            break
        if written:
            time.sleep(random.uniform(0, PAUSE))
        there = _written(session, image, wanted, there)
    place = session.reference.at(signature_tag(image.digest))
    message = f"the signature was not in {place} when it was read back, {WRITES} times"
    raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="others write there too: push again"))


def _written(session: Session, image: Descriptor, content: bytes, before: bytes | None) -> bytes | None:
    """Write ``content`` where ``before`` lies still, and return what lies there then."""
    layer = describe(content, ENVELOPE)
    record: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": SIGNATURE,
        "config": NO_CONFIG.to_json(),
        "layers": [layer.to_json()],
        "subject": {"mediaType": image.media_type, "digest": image.digest, "size": image.size},
    }
    push_bytes(session, NO_CONFIG, b"{}")
    push_bytes(session, layer, content)
    now = attached(session, image.digest)
    if now == before:
        send_manifest(session, canonical(record), MANIFEST, signature_tag(image.digest))
        now = attached(session, image.digest)
    return now


def attached(session: Session, digest: str) -> bytes | None:
    """Return the signature file attached to the manifest with this digest, None where there is none.

    Raises Failure ``signature-invalid`` for something else under its tag, and those of ``manifest``.
    """
    stored = manifest(session, signature_tag(digest))
    if stored is None:
        return None
    try:
        record = json.loads(stored.content)
        if record["artifactType"] != SIGNATURE:
            raise ValueError
        (layer,) = (descriptor(item) for item in record["layers"])
    except (ValueError, KeyError, TypeError, RecursionError):
        message = f"{session.reference.at(signature_tag(digest))} holds something else than a signature"
        raise Failure(Diagnostic(code="signature-invalid", message=message)) from None
    return blob(session, layer)


def _merged(session: Session, image: Descriptor, ours: Envelope, there: bytes, force: bool) -> bytes:
    """Return one envelope with the signatures of both, ours where both have one by the same key."""
    try:
        before = read_envelope(there, "the signature in the registry")
    except Failure:
        if not force:
            raise
        return envelope_line(ours)
    if before.payload != ours.payload:
        if force:
            return envelope_line(ours)
        message = f"{session.reference.at(signature_tag(image.digest))} holds signatures of another statement about this bundle"
        raise Failure(Diagnostic(code="tag-taken", message=message, hint="--force replaces them"))
    signatures = {item.keyid: item for item in (*before.signatures, *ours.signatures)}
    return envelope_line(Envelope(payload=ours.payload, signatures=tuple(signatures.values())))
