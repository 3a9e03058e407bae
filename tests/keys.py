"""Keys made for a test by the openssl command, as docs/trust.md says to, and bundles signed with them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

MADE_BY = {
    "ed25519": ("genpkey", "-algorithm", "ed25519"),
    "p256": ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "p384": ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "rsa": ("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
}


@dataclass(frozen=True)
class Pair:
    """The two halves of a key, as files."""

    private: Path
    public: Path


def openssl(*arguments: object, stdin: bytes = b"") -> bytes:
    """Run openssl and return what it printed."""
    command = ["openssl", *(str(argument) for argument in arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def pair(folder: Path, name: str, kind: str, *, password: str = "") -> Pair:
    """Make a key of one of the kinds of MADE_BY, readable by its owner alone."""
    folder.mkdir(exist_ok=True)
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    openssl(*MADE_BY[kind], *(("-aes-256-cbc", "-pass", f"pass:{password}") if password else ()), "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public, *(("-passin", f"pass:{password}") if password else ()))
    private.chmod(0o600)
    return Pair(private, public)
