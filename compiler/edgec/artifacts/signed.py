"""What lies beside a bundle and how it is called, and what a check of its signatures found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIGNATURE_ENDING = ".intoto.jsonl"
MEASUREMENTS_ENDING = ".measurements.json"
TARBALL_ENDING = ".tar.gz"
REPORT_ENDING = ".report.html"


def bundle_name(name: str, version: str, target: str) -> str:
    """Return what a bundle's files are called without their endings; it is also the one top folder of its tarball."""
    return f"{name}-{version}-{target}"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Where the files that belong to a bundle lie, whether they exist or not."""

    tarball: Path
    measurements: Path
    signature: Path


@dataclass(frozen=True, kw_only=True)
class Papers:
    """The content of what lies beside a bundle, None for what is not there; the names are for people."""

    measurements: bytes | None = None
    signature: bytes | None = None
    measurements_name: str = "the measurements file"
    signature_name: str = "the signature file"


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A trusted key whose signature is good."""

    keyid: str
    kind: str
    name: str
