"""What is signed: an in-toto statement over a bundle's list of digests, its measurements and its tarball."""

from __future__ import annotations

import json
from collections.abc import Mapping

from edgec.artifacts.document import Json
from edgec.artifacts.provenance import PREDICATE, STATEMENT
from edgec.artifacts.signed import MEASUREMENTS_ENDING, TARBALL_ENDING, bundle_name
from edgec.diagnostics import Diagnostic, Failure


def stem(facts: Json) -> str:
    """Return the name of a bundle's tarball without its ending, by its bundle.json."""
    return bundle_name(facts["name"], facts["version"], facts["target"])


def sums_subject(facts: Json) -> str:
    """Return the subject whose digest is the bundle's: its SHA256SUMS, as the tarball holds it."""
    return f"{stem(facts)}/SHA256SUMS"


def measurements_subject(facts: Json) -> str:
    """Return the subject of the measurements file."""
    return f"{stem(facts)}{MEASUREMENTS_ENDING}"


def tarball_subject(facts: Json) -> str:
    """Return the subject of the tarball, which a device can check before it unpacks anything."""
    return f"{stem(facts)}{TARBALL_ENDING}"


def attestation(provenance: Json, subjects: Mapping[str, str]) -> bytes:
    """Return the statement to sign: the bundle's own provenance predicate over ``subjects`` (file name to sha256).

    One line with sorted keys and no blanks, so that equal bundles give equal bytes and a shell can read the subjects.
    """
    record = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())],
        "predicateType": PREDICATE,
        "predicate": provenance["predicate"],
    }
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def attested(payload: bytes, name: str) -> dict[str, str]:
    """Return the subjects (file name to sha256) of the statement in ``payload``. Raises Failure ``signature-invalid``."""
    try:
        record = json.loads(payload)
        kinds = (record["_type"], record["predicateType"])
        subjects = {entry["name"]: entry["digest"]["sha256"] for entry in record["subject"]}
        form = attestation(record, subjects)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _other(name, "it is no in-toto statement") from None
    if kinds != (STATEMENT, PREDICATE):
        raise _other(name, f"it is a {kinds[1]!r} in a {kinds[0]!r}, not a {PREDICATE!r} in a {STATEMENT!r}")
    if form != payload:
        raise _other(name, "it is not in the form that edgec writes")
    return subjects


def _other(name: str, why: str) -> Failure:
    return Failure(Diagnostic(code="signature-invalid", message=f"{name} does not attest a bundle: {why}"))
