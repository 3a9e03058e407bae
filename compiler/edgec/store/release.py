"""A bundle goes in with what lies beside it; its signature file comes out, written in one step and checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from edgec.artifacts.attestation import measurements_subject, stem, sums_subject, tarball_subject
from edgec.artifacts.envelope import Envelope, read_envelope, signed_bytes
from edgec.artifacts.signed import Beside, Papers
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.atomic import LOCK, environment_errors, exclusive, replace_file
from edgec.store.bundles import OpenBundle, opened
from edgec.store.figures import parse_figures
from edgec.store.files import sha256_of
from edgec.store.keys import PrivateKey, flaw
from edgec.store.signatures import beside, mismatches, papers, signed, signers, statement_of


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A signature file, checked by its key; ``fresh`` is false where it held this key's good signature before."""

    bundle: Path
    name: str
    digest: str
    signature: Path
    keyids: tuple[str, ...]
    subjects: tuple[str, ...]
    fresh: bool


def sign_bundle(path: Path, key: PrivateKey, measurements: Path | None = None, allow_unfit: bool = False) -> Signed:
    """Sign the bundle at ``path`` (folder or tarball), its measurements and its tarball with ``key``.

    Signatures by other keys stay where they are of the very same statement. Every digest is checked first, and the
    file is read back and verified. Raises Failure: those of ``opened``, ``no-measurements``, ``digest-mismatch``,
    ``unfit-to-sign``, or an environment error.
    """
    with environment_errors(f"sign {path}"), opened(path) as bundle:
        places = beside(path, bundle.facts)
        places = replace(places, measurements=measurements) if measurements else places
        with exclusive(places.signature.parent / LOCK):
            given = papers(places)
            subjects = _subjects(bundle, places, given)
            if not allow_unfit:
                _refuse_unfit(bundle, places, given)
            payload = statement_of(bundle, subjects)
            earlier = _earlier(given, payload)
            fresh = not _holds_good(earlier, key, payload)
            if fresh:
                replace_file(places.signature, signed(payload, [key], earlier.signatures if earlier else ()))
            keyids = _read_back(bundle, places, key)
    return Signed(
        bundle=path,
        name=stem(bundle.facts),
        digest=bundle.digest,
        signature=places.signature,
        keyids=keyids,
        subjects=tuple(sorted(subjects)),
        fresh=fresh,
    )


def _subjects(bundle: OpenBundle, places: Beside, given: Papers) -> dict[str, str]:
    """Return what is signed: the bundle, its measurements and, where it is there, its tarball, each found to be of it."""
    if given.measurements is None:
        hint = "it lies beside the tarball; --measurements names another place"
        message = f"there is no {places.measurements}, and a signature is over a bundle and its measurements"
        raise Failure(Diagnostic(code="no-measurements", message=message, hint=hint))
    measured_on = parse_figures(given.measurements, given.measurements_name)["bundle_sha256"]
    if measured_on != bundle.digest:
        message = f"{places.measurements} was measured on the bundle {measured_on}, this one is {bundle.digest}"
        raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="build it again, or name its own measurements"))
    subjects = {
        sums_subject(bundle.facts): bundle.digest,
        measurements_subject(bundle.facts): hashlib.sha256(given.measurements).hexdigest(),
    }
    if places.tarball.is_file():
        with opened(places.tarball) as packed:
            if packed.digest != bundle.digest:
                message = f"{places.tarball} holds the bundle {packed.digest}, this one is {bundle.digest}"
                raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="build it again, or remove the tarball"))
        subjects[tarball_subject(bundle.facts)] = sha256_of(places.tarball)
    return subjects


def _refuse_unfit(bundle: OpenBundle, places: Beside, given: Papers) -> None:
    """Raise Failure ``unfit-to-sign``, with each reason, for what is no release."""
    measured = parse_figures(given.measurements or b"", given.measurements_name)
    reasons = list(bundle.facts["blockers"])
    missed = [verdict["budget"] for verdict in measured.get("verdicts", []) if verdict["status"] == "missed"]
    reasons += [reason for reason in (f"the budget {name} is missed" for name in missed) if reason not in reasons]
    if measured.get("rejected") and not missed:
        reasons.append("its build was refused")
    if reasons:
        hint = "sign what was built for release; --allow-unfit signs it all the same"
        said = [f"{stem(bundle.facts)} is no release: {reason}" for reason in reasons]
        raise Failure(*(Diagnostic(code="unfit-to-sign", message=message, hint=hint) for message in said))


def _earlier(given: Papers, payload: bytes) -> Envelope | None:
    """Return the envelope that is there, where it is whole and of the very same statement."""
    try:
        found = read_envelope(given.signature or b"", given.signature_name)
    except Failure:
        return None
    return found if found.payload == payload else None


def _holds_good(earlier: Envelope | None, key: PrivateKey, payload: bytes) -> bool:
    mine = [item for item in earlier.signatures if item.keyid == key.public.keyid] if earlier else []
    return any(flaw(key.public, item.value, signed_bytes(payload)) is None for item in mine)


def _read_back(bundle: OpenBundle, places: Beside, key: PrivateKey) -> tuple[str, ...]:
    """Return the keys that the file on the disk is signed by, once the key's own signature was found good there."""
    written = papers(places)
    _, payload = signers(written.signature, written.signature_name, [key.public])
    problems = mismatches(payload, bundle, written)
    if problems:
        raise Failure(*problems)
    envelope = read_envelope(written.signature or b"", written.signature_name)
    return tuple(signature.keyid for signature in envelope.signatures)
