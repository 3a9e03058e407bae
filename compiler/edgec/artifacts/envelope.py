"""A DSSE envelope (version 1 of the protocol): a payload, its type and its signatures, as one line of JSON."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from edgec.diagnostics import Diagnostic, Failure

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_BYTES = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Signature:
    """``keyid`` is the sha256 of the key's DER form (SubjectPublicKeyInfo) in hexadecimal; ``value`` what it signed."""

    keyid: str
    value: bytes


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Signatures over ``signed_bytes``; sorted by key and each key's at most once."""

    payload: bytes
    signatures: tuple[Signature, ...]
    payload_type: str = PAYLOAD_TYPE


def signed_bytes(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return what a key signs: DSSE's pre-authentication encoding, which binds the payload's type to it."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def envelope_line(envelope: Envelope) -> bytes:
    """Return the envelope in its one written form, which a device's shell reads without a JSON parser."""
    record = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": [
            {"keyid": signature.keyid, "sig": base64.b64encode(signature.value).decode()}
            for signature in sorted(envelope.signatures, key=lambda signature: signature.keyid)
        ],
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def read_envelope(text: bytes, name: str) -> Envelope:
    """Return the envelope that the file ``name`` holds.

    Only the form of ``envelope_line`` is taken, so that no two readers find two things in one file. Raises Failure
    ``signature-invalid``.
    """
    if len(text) > MOST_BYTES:
        raise _invalid(name, f"it is larger than {MOST_BYTES >> 20} MiB")
    if text.count(b"\n") > 1:
        raise _invalid(name, "it holds more than one line; the signatures of a bundle are in one envelope")
    try:
        record = json.loads(text)
        envelope = _envelope(record)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _invalid(name, "it is no DSSE envelope") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise _invalid(name, f"its payload is {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}")
    if not envelope.signatures:
        message = f"{name} holds no signature: they were stripped, or it was never signed"
        raise Failure(Diagnostic(code="signature-missing", message=message))
    keys = [signature.keyid for signature in envelope.signatures]
    if len(set(keys)) != len(keys):
        raise _invalid(name, "it holds two signatures of one key")
    if envelope_line(envelope) != text:
        raise _invalid(name, "it is not in the form that edgec writes: one line, sorted by key, nothing else in it")
    return envelope


def _envelope(record: Any) -> Envelope:
    return Envelope(
        payload=base64.b64decode(record["payload"], validate=True),
        payload_type=str(record["payloadType"]),
        signatures=tuple(
            Signature(keyid=str(item["keyid"]), value=base64.b64decode(item["sig"], validate=True))
            for item in record["signatures"]
        ),
    )


def _invalid(name: str, why: str) -> Failure:
    return Failure(Diagnostic(code="signature-invalid", message=f"{name} is refused: {why}"))
