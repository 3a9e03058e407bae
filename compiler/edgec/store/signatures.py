"""A bundle's signatures: where they lie, how they are made, and whether they are good."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgec.artifacts.attestation import attestation, attested, measurements_subject, stem, sums_subject
from edgec.artifacts.document import Json
from edgec.artifacts.envelope import Envelope, Signature, envelope_line, read_envelope, signed_bytes
from edgec.artifacts.signed import MEASUREMENTS_ENDING, SIGNATURE_ENDING, TARBALL_ENDING, Beside, Papers, Signer
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.bundles import OpenBundle
from edgec.store.keys import PrivateKey, PublicKey, flaw, sign


def beside(bundle: Path, facts: Json) -> Beside:
    """Return where the files of ``bundle`` (a folder or a tarball, as the user names it) lie.

    Beside the tarball; beside a folder, or, where `edgec build` wrote it, above its <name>/<version>/<target>.
    """
    path = bundle.resolve()
    name, folder = stem(facts), path.parent
    if path.is_file():
        name = path.name.removesuffix(TARBALL_ENDING)
    elif path.parts[-3:] == (facts["name"], facts["version"], facts["target"]):
        folder = path.parents[2]
    return Beside(
        tarball=folder / f"{name}{TARBALL_ENDING}",
        measurements=folder / f"{name}{MEASUREMENTS_ENDING}",
        signature=folder / f"{name}{SIGNATURE_ENDING}",
    )


def papers(places: Beside) -> Papers:
    """Return what lies at ``places``. Raises OSError."""
    return Papers(
        measurements=places.measurements.read_bytes() if places.measurements.is_file() else None,
        signature=places.signature.read_bytes() if places.signature.is_file() else None,
        measurements_name=str(places.measurements),
        signature_name=str(places.signature),
    )


def statement_of(bundle: OpenBundle, subjects: Mapping[str, str]) -> bytes:
    """Return the statement to sign: the provenance in the bundle, over ``subjects``. Raises Failure ``bundle-broken``."""
    path = bundle.folder / "provenance.json"
    try:
        return attestation(json.loads(path.read_bytes()), subjects)
    except (OSError, ValueError, KeyError, TypeError):
        raise Failure(Diagnostic(code="bundle-broken", message="the bundle's provenance.json is missing or damaged")) from None


def signed(payload: bytes, keys: Sequence[PrivateKey], kept: Sequence[Signature] = ()) -> bytes:
    """Return an envelope of ``payload`` with a signature by each key, and those of other keys among ``kept``."""
    data = signed_bytes(payload)
    made = {signature.keyid: signature for signature in kept}
    made |= {key.public.keyid: Signature(keyid=key.public.keyid, value=sign(key, data)) for key in keys}
    return envelope_line(Envelope(payload=payload, signatures=tuple(made.values())))


def signers(text: bytes | None, name: str, keys: Sequence[PublicKey], needed: int = 1) -> tuple[tuple[Signer, ...], bytes]:
    """Return which of ``keys`` signed the envelope ``text``, and its payload, which may now be believed.

    A signature in the name of one of the keys must be good, whatever the others are; one of an unknown key says nothing.
    Raises Failure ``signature-missing``, ``signature-invalid`` (one for each bad signature) or ``signature-untrusted``.
    """
    if text is None:
        hint = "sign the bundle, or fetch the signature file that was published with it"
        message = f"the bundle is not signed, or its signature was stripped: there is no {name}"
        raise Failure(Diagnostic(code="signature-missing", message=message, hint=hint))
    envelope = read_envelope(text, name)
    data = signed_bytes(envelope.payload, envelope.payload_type)
    known = {key.keyid: key for key in keys}
    good: list[Signer] = []
    bad: list[Diagnostic] = []
    for signature in envelope.signatures:
        key = known.get(signature.keyid)
        why = flaw(key, signature.value, data) if key else None
        if key and why:
            message = f"the signature in the name of {key.name} ({key.keyid[:12]}) in {name} is bad: {why}"
            bad.append(Diagnostic(code="signature-invalid", message=message))
        elif key:
            good.append(Signer(keyid=key.keyid, kind=key.kind, name=key.name))
    if bad:
        raise Failure(*bad)
    if len(good) < needed:
        raise _untrusted(name, envelope, good, keys, needed)
    return tuple(good), envelope.payload


def mismatches(payload: bytes, bundle: OpenBundle, given: Papers) -> list[Diagnostic]:
    """Return where the statement ``payload`` is of another bundle or other measurements than these (none: it is of these).

    Raises Failure ``signature-invalid`` for a payload that attests no bundle.
    """
    subjects = attested(payload, given.signature_name)
    wanted = {sums_subject(bundle.facts): (bundle.digest, f"bundle {stem(bundle.facts)}")}
    if given.measurements is not None:
        digest = hashlib.sha256(given.measurements).hexdigest()
        wanted[measurements_subject(bundle.facts)] = (digest, given.measurements_name)
    return [
        _mismatch(given.signature_name, what, digest, subjects.get(name), list(subjects))
        for name, (digest, what) in wanted.items()
        if subjects.get(name) != digest
    ]


def _mismatch(name: str, what: str, digest: str, found: str | None, subjects: Sequence[str]) -> Diagnostic:
    if found is None:
        message = f"{name} is not of {what}: it attests {', '.join(sorted(subjects)) or 'nothing'}"
    else:
        message = f"{name} is of another {what}: it attests sha256 {found}, this one is {digest}"
    hint = "fetch the signature that belongs to it, or, where it was built anew, sign it again"
    return Diagnostic(code="signature-mismatch", message=message, hint=hint)


def _untrusted(name: str, envelope: Envelope, good: Sequence[Signer], keys: Sequence[PublicKey], needed: int) -> Failure:
    by = ", ".join(signature.keyid[:12] for signature in envelope.signatures)
    trusted = ", ".join(f"{key.name} ({key.keyid[:12]})" for key in keys)
    count = f"{len(good)} of {needed} signatures that are needed" if needed > 1 else "no signature"
    message = f"{name} holds {count} by a trusted key: it is signed by {by}; trusted: {trusted}"
    return Failure(Diagnostic(code="signature-untrusted", message=message))
