"""A bundle as somebody hands it in, folder or tarball: opened without trust, and checked against its SHA256SUMS."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.cores import shared
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.atomic import inside, read_errors
from edgec.store.files import is_file, is_folder, no_file, sha256_of

SUMS = "SHA256SUMS"
SCHEMA = "edgec/bundle/v1"
FEW = 8
"""Files of a bundle for whose hashing threads are worth their start."""
SCRIPT, PROGRAMS = ".sh", "bin/"
"""What a bundle's files that are run end in, or begin with: they are executable, or nobody could run them."""
LEFT = ("tests/__pycache__/", "tests/.pytest_cache/", ".pytest_cache/")
"""Folders that running the bundle's own tests leaves behind; nothing else that a bundle runs reads them."""


@dataclass(frozen=True, kw_only=True)
class OpenBundle:
    """A bundle whose every file was checked: its folder, its digest (sha256 of SHA256SUMS) and its bundle.json.

    ``digests`` maps each file's path in the bundle to its sha256.
    """

    folder: Path
    digest: str
    digests: Mapping[str, str]
    facts: Json


@contextlib.contextmanager
def opened(path: Path) -> Iterator[OpenBundle]:
    """Give the checked bundle at ``path``, unpacked into a temporary folder where it is a tarball.

    Raises Failure ``no-bundle``, ``bundle-broken``, ``digest-mismatch``, or an environment error.
    """
    with contextlib.ExitStack() as stack:
        with read_errors(str(path)):
            folder = path
            if is_file(path):
                from edgec.store import archive  # brings tarfile, which a folder does not need

                _refuse_program(path)
                scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgec-bundle-")))
                folder = archive.unpack(path, scratch)
            if not is_file(folder / SUMS):
                raise _no_bundle(path, folder)
            digest = check(folder, LEFT if path.is_dir() else ())
            facts = _facts(folder)
            digests = _listed((folder / SUMS).read_bytes())
        yield OpenBundle(folder=folder, digest=digest, digests=digests, facts=facts)


def fingerprint(path: Path) -> str | None:
    """Return the digest of a bundle's folder or of a file, everything hashed; None where it is missing or not whole."""
    if path.is_dir():
        try:
            return check(path) if (path / SUMS).is_file() else None
        except Failure:
            return None
    return sha256_of(path) if path.is_file() else None


def check(folder: Path, left: tuple[str, ...] = LEFT) -> str:
    """Hash every file of a bundle's folder and return the bundle's digest; below ``left`` files may be that nobody listed.

    Raises Failure with a ``digest-mismatch`` for each changed file and a ``bundle-broken`` for each that is missing,
    not listed, not a plain file, or to be run and not executable. Raises OSError.
    """
    text = (folder / SUMS).read_bytes()
    listed = _listed(text)
    problems = []
    found = shared(_sha256_of, [inside(folder, name) for name in listed], FEW)
    for (name, digest), actual in zip(listed.items(), found, strict=True):
        if actual is None:
            problems.append(Diagnostic(code="bundle-broken", message=f"{name} is listed in {SUMS} and missing"))
        elif actual != digest:
            problems.append(Diagnostic(code="digest-mismatch", message=f"{name} is not the file that {SUMS} lists"))
    for name, entry in sorted(_entries(folder)):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            problems.append(Diagnostic(code="bundle-broken", message=f"{name} is a link or a device"))
        elif entry.is_file() and name not in listed and name != SUMS and not name.startswith(left):
            problems.append(Diagnostic(code="bundle-broken", message=f"{name} is not listed in {SUMS}"))
        elif entry.is_file() and is_run(name) and not entry.stat().st_mode & 0o100:
            problems.append(_not_executable(name))
    if problems:
        raise Failure(*problems)
    return hashlib.sha256(text).hexdigest()


def is_run(name: str) -> bool:
    """Return whether a bundle's file ``name`` is a script or a program."""
    return name.endswith(SCRIPT) or name.startswith(PROGRAMS)


def _not_executable(name: str) -> Diagnostic:
    hint = "what carried the bundle here (an upload, a zip, a FAT disk) dropped permissions: carry the tarball instead"
    return Diagnostic(code="bundle-broken", message=f"{name} is not executable", hint=hint)


def _sha256_of(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _entries(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything below ``folder`` with its name in it; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            yield f"{prefix}{entry.name}", entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path), f"{prefix}{entry.name}/")


def sums(digests: dict[str, str]) -> bytes:
    """Return the text of a SHA256SUMS for these files, sorted, as ``sha256sum -c`` reads it."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()


def _listed(text: bytes) -> dict[str, str]:
    found = {}
    for line in text.decode("utf-8", errors="replace").splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not match:
            raise Failure(Diagnostic(code="bundle-broken", message=f"{SUMS} holds the line {line!r}"))
        try:
            inside(Path(), match[2])
        except ValueError as error:
            raise Failure(Diagnostic(code="bundle-broken", message=f"{SUMS}: {error}")) from error
        found[match[2]] = match[1]
    return found


def _facts(folder: Path) -> Json:
    """Return bundle.json, each field that edgec reads of the type that docs/bundle.md has."""
    from edgec.store.figures import misshapen  # brings jsonschema, which a build does not need

    path = folder / "bundle.json"
    try:
        facts = json.loads(path.read_bytes()) if path.is_file() else None
        json.dumps(facts, ensure_ascii=False, allow_nan=False).encode()  # NaN and half a surrogate are read, and cannot be told
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        message = f"bundle.json is missing or not of the format {SCHEMA}"
        raise Failure(Diagnostic(code="bundle-broken", message=message))
    if problem := misshapen(facts, "bundle"):
        message = f"bundle.json is not as docs/bundle.md has it: {problem}"
        raise Failure(Diagnostic(code="bundle-broken", message=message))
    return facts


def _refuse_program(path: Path) -> None:
    """An ExecuTorch program's file identifier is bytes 4 to 6 of its flatbuffer."""
    with path.open("rb") as handle:
        if handle.read(6)[4:] == b"ET":
            hint = f"edgec inspect {path} shows what is inside"
            raise Failure(Diagnostic(code="no-bundle", message=f"{path} is a .pte, not a bundle", hint=hint))


def _no_bundle(path: Path, folder: Path) -> Failure:
    if is_file(folder / "bundle.json"):
        return Failure(Diagnostic(code="bundle-broken", message=f"{path} has lost its {SUMS}"))
    what = "has no SHA256SUMS" if is_file(path) or is_folder(path) else no_file(path)
    hint = "name out/<name>/<version>/<target> or the .tar.gz beside it"
    return Failure(Diagnostic(code="no-bundle", message=f"{path} {what}", hint=hint))
