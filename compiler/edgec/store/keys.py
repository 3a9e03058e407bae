"""Keys that sign bundles, as PEM files: Ed25519 and ECDSA P-256, nothing else."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Kind = Literal["Ed25519", "ECDSA P-256"]
ED25519_BYTES = 64
MAKE_PUBLIC = "openssl pkey -in KEY.pem -pubout -out KEY.pub.pem"


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A key that signatures are checked with; ``keyid`` is the sha256 of its DER form, ``name`` its file."""

    name: str
    keyid: str
    kind: Kind
    key: Ed25519PublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """A key that signs, and its other half."""

    key: Ed25519PrivateKey | EllipticCurvePrivateKey
    public: PublicKey


def public_key(pem: bytes, name: str) -> PublicKey:
    """Return the public key in ``pem``, the content of the file ``name``. Raises Failure ``key-invalid``."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY-----" in pem:
        hint = f"keep it where bundles are signed, and name its public half here: {MAKE_PUBLIC}"
        raise _invalid(name, "it is a private key", hint)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise _invalid(name, "it is no public key in PEM form (-----BEGIN PUBLIC KEY-----)", MAKE_PUBLIC) from None
    return _public(key, name)


def private_key(pem: bytes, name: str, password: Callable[[], bytes | None]) -> PrivateKey:
    """Return the private key in ``pem``; ``password`` is called when it is encrypted. Raises Failure ``key-invalid``."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"-----BEGIN PUBLIC KEY-----" in pem:
        raise _invalid(name, "it is a public key; bundles are signed with the private one")
    word = password() if b"ENCRYPTED" in pem else None
    try:
        key = load_pem_private_key(pem, word)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _invalid(name, "wrong password" if word else "it is no private key in PEM form") from None
    return PrivateKey(key=key, public=_public(key.public_key(), name))  # type: ignore[arg-type]  # _public refuses others


def readable_by_others(path: Path) -> bool:
    """Return whether others than the owner may read the file. Raises OSError."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Return the signature of ``data``: 64 bytes for Ed25519, DER for ECDSA with SHA-256."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key.key, Ed25519PrivateKey):
        return key.key.sign(data)
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    return key.key.sign(data, ECDSA(SHA256()))


def flaw(key: PublicKey, signature: bytes, data: bytes) -> str | None:
    """Return why ``signature`` is not one of ``data`` by ``key``, or None when it is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        if isinstance(key.key, Ed25519PublicKey):
            key.key.verify(signature, data)
        else:
            from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

            key.key.verify(signature, data, ECDSA(SHA256()))
    except InvalidSignature:
        if (len(signature) == ED25519_BYTES) != (key.kind == "Ed25519"):
            return f"it is not an {key.kind} signature, and its key makes no others"
        return "its key did not sign this statement"
    return None


def _public(key: object, name: str) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    kind: Kind
    if isinstance(key, Ed25519PublicKey):
        kind = "Ed25519"
    elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        kind = "ECDSA P-256"
    else:
        raise _invalid(name, "it is neither an Ed25519 nor an ECDSA P-256 key", "docs/trust.md shows how to make one")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(name=name, keyid=hashlib.sha256(der).hexdigest(), kind=kind, key=key)


def _invalid(name: str, why: str, hint: str | None = None) -> Failure:
    return Failure(Diagnostic(code="key-invalid", message=f"the key {name} cannot be used: {why}", hint=hint))
