"""The lock beside a manifest: read, compared by name with what is there now, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.atomic import environment_errors, exclusive, read_errors, write_file
from edgec.store.files import no_file

SCHEMA = "edgec/lock/v1"
ORDER = ("model.pte", "bin/", "lib/", "tests/golden/", "bundle.json")
"""Which part of a bundle is told of first: what others are made from."""
DIGESTS = {"model": "the model", "bundle": "its list of digests", "tarball": "the tarball"}
"""What a lock has of a target beside the digest of each file of its bundle, in words."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One input that is not what was locked; ``locked`` or ``found`` is None where it is new or gone."""

    name: str
    locked: str | None
    found: str | None


def lock_of(manifest: Path) -> Path:
    """Return where the lock of a manifest lies: its name with ``.lock`` behind."""
    return manifest.with_name(manifest.name + ".lock")


def read_lock(manifest: Path) -> Json:
    """Return the lock's record, or None where there is none.

    Raises Failure ``lock-invalid``, or an environment error, as where something else is in its place.
    """
    path = lock_of(manifest)
    with read_errors(str(path)):
        if not path.is_file():
            if path.exists():
                hint = "remove what is in the lock's place, or name the manifest otherwise"
                raise Failure(Diagnostic(code="not-readable", message=f"{path} {no_file(path)}", hint=hint))
            return None
        content = path.read_bytes()
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Failure(_invalid(path, str(error))) from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise Failure(_invalid(path, f"it is not of the format {SCHEMA}"))
    if not isinstance(record.get("inputs"), dict) or not isinstance(record.get("targets"), dict):
        raise Failure(_invalid(path, "`inputs` or `targets` is missing"))
    for name, artifact in record["targets"].items():
        if artifact is not None and not _is_artifact(artifact):
            raise Failure(_invalid(path, f"what it holds of the target {name!r} is no artifact with its digests"))
    return record


def write_lock(manifest: Path, record: Json) -> Path:
    """Write the lock and return its path; an interrupt leaves the old one, a kill at most files that the next one removes.

    Raises Failure ``disk-full``, ``not-writable`` or ``digest-mismatch``, where it reads back differently.
    """
    path, content = lock_of(manifest), lock_bytes(record)
    with environment_errors(f"write {path}"), exclusive(path.with_name(f".{path.name}.busy")):
        for left in path.parent.glob(f".{path.name}-*"):
            left.unlink()
        write_file(path, content)
        if path.read_bytes() != content:
            raise Failure(Diagnostic(code="digest-mismatch", message=f"{path} read back differently from what was written"))
    return path


def lock_bytes(record: Json) -> bytes:
    """Return a lock's text: sorted, an entry a line, so that a change of one input is one line of a diff."""
    return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def drifts(locked: Json, found: Json) -> tuple[Drift, ...]:
    """Return every input that differs between two ``inputs``, by name."""
    before, after = dict(_flat(locked)), dict(_flat(found))
    return tuple(
        Drift(name=name, locked=before.get(name), found=after.get(name))
        for name in dict.fromkeys((*sorted(before), *sorted(after)))
        if before.get(name) != after.get(name)
    )


def first_difference(locked: Mapping[str, str], files: Mapping[str, str]) -> str | None:
    """Return in words which file of a bundle is the first that is not what was locked, or None."""
    different = [name for name in locked.keys() | files.keys() if locked.get(name) != files.get(name)]
    if not different:
        return None
    name = min(different, key=lambda name: (_rank(name), name))
    if name not in files:
        return f"{name} is missing"
    if name not in locked:
        return f"{name} is there, and was not"
    return f"{name} has sha256 {files[name]}, and had {locked[name]}"


def artifact_difference(locked: Json, made: Json) -> str | None:
    """Return in words which digest of a target's artifact is the first that is not what was locked, or None.

    Of what ``made`` does not hold yet, the tarball, nothing is said.
    """
    if different := first_difference(locked["files"], made["files"]):
        return different
    for part, words in DIGESTS.items():
        if part in made and made[part] != locked[part]:
            return f"{words} has sha256 {made[part]}, and had {locked[part]}, with the same files in the bundle"
    return None


def _is_artifact(value: Json) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("files"), dict):
        return False
    return all(isinstance(text, str) for text in (*map(value.get, (*DIGESTS, "processor")), *value["files"].values()))


def _rank(name: str) -> int:
    return next((rank for rank, start in enumerate(ORDER) if name.startswith(start)), len(ORDER))


def _flat(value: Json, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{name} {key}".strip())
    elif value is not None:
        yield name, str(value)


def _invalid(path: Path, why: str) -> Diagnostic:
    where, hint = Location(file=str(path), line=1, column=1), "`edgec lock` writes it anew"
    return Diagnostic(code="lock-invalid", message=f"{path} is not a lock: {why}", where=where, hint=hint)
