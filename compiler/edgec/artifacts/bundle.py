"""A rendered bundle before it is written: every file's bytes and mode, and the digests that name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a bundle: its bytes, or the path of a file to copy them from (then already hash-checked)."""

    content: bytes | Path
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a kind of bundle keeps what bundle.json points at: the artifact, and the folder that ``golden/`` lies in.

    ``pictures`` says whether the files that golden inputs were decoded from lie there too: what decodes them is timed.
    """

    model: str = "model.pte"
    golden: str = "tests"
    pictures: bool = False


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A package that a bundle's own build takes from elsewhere, by exact version and package URL; it lies in no bundle."""

    name: str
    version: str
    purl: str


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """``files`` maps a relative POSIX path to its File, SHA256SUMS included; ``digest`` is the sha256 of SHA256SUMS.

    ``digests`` are the sha256 of each file but SHA256SUMS. ``measurements`` and ``report`` lie beside the tarball: they hold
    what a clock measured. So does ``signature``, the file of a bundle that was signed elsewhere; a fresh build has none.
    """

    name: str
    version: str
    target: str
    files: Mapping[str, File]
    digest: str
    measurements: bytes
    report: bytes
    rejected: bool
    signature: bytes | None = None
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where a bundle lies on disk; the tarball's sha256 was read back after writing."""

    folder: Path
    tarball: Path
    tarball_sha256: str
    measurements: Path
    report: Path


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A native runner that was built: the executable, the shared libraries it needs, and what built it.

    ``sha256`` is what these files were when they were checked, for who ships them later.
    """

    executable: Path
    libraries: tuple[Path, ...]
    toolchain: Mapping[str, str]
    sha256: Mapping[Path, str] = field(default_factory=dict)
