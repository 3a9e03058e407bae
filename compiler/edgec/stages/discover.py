"""What a user names on the command line to the manifests that are meant, and the project around each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgec import reads
from edgec.artifacts.checked import Checked
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.files import is_file, is_folder

SUFFIXES = (".yaml", ".yml")
DEFAULT_FOLDER = "manifests"
LOOK_BYTES = 256 * 1024  # as much as a manifest may be long
_TARGET = re.compile(rb"""^["']?kind["']?[ \t]*:[ \t]*["']?Target\b""", re.MULTILINE)
_API_VERSION = re.compile(rb"""^["']?apiVersion["']?[ \t]*:[ \t]*["']?([^"'\s#]*)""", re.MULTILINE)


def discover(paths: Sequence[Path]) -> tuple[list[Path], list[Diagnostic]]:
    """Return the manifests among ``paths`` in order, each once, and warnings on YAML files that were passed over.

    A file is taken as it is; of a folder, every YAML file straight in it with ``apiVersion: edgec/…``. No path at all
    means ``manifests/``, or the current folder where there is none. Raises Failure ``no-manifest`` for an empty folder.
    """
    found: list[Path] = []
    warnings: list[Diagnostic] = []
    missing: list[Diagnostic] = []
    for path in paths or _default():
        if not is_folder(path):
            found.append(path)
            continue
        manifests, passed = _of_folder(path)
        found += manifests
        warnings += passed
        if not manifests:
            message = f"no manifest in the folder {str(path)!r}"
            hint = "a manifest is a YAML file with `apiVersion: edgec/v1`; `edgec init` writes one"
            missing.append(Diagnostic(code="no-manifest", message=message, hint=hint))
    if missing:
        raise Failure(*missing, *warnings)
    return list(dict.fromkeys(found)), warnings


def is_target_file(path: Path) -> bool:
    """Whether a YAML file says ``kind: Target`` at its top: a device of the project's own, and no manifest."""
    if not is_file(path):
        return False
    with path.open("rb") as file:
        return _TARGET.search(file.read(LOOK_BYTES)) is not None


def project_of(path: Path, root: Path | None = None, *, offline: bool = False) -> Project:
    """Return the Project of the manifest ``path``: ``root``, else the enclosing git root, else the manifest's folder.

    Raises Failure ``path-outside-root`` when the manifest does not lie in ``root``.
    """
    folder = path.resolve().parent
    top = root.resolve() if root else _git_root(folder) or folder
    if not folder.is_relative_to(top):
        message = f"the manifest {str(path)!r} lies outside the root {str(root)!r}"
        raise Failure(Diagnostic(code="path-outside-root", message=message, hint="name a root that holds it"))
    return Project(root=top, folder=folder, offline=offline)


def named_twice(checked: Sequence[Checked]) -> tuple[list[Checked], list[Diagnostic]]:
    """Return the manifests whose name and version no other has, and a finding for each later one that repeats them.

    All that share a name are left out: they would write one bundle, and which is meant is the user's to say.
    """
    first: dict[tuple[str, str], str] = {}
    found = []
    times = Counter((item.manifest.name, item.manifest.version) for item in checked)
    for item in checked:
        key = (item.manifest.name, item.manifest.version)
        if key in first:
            where = Location(file=item.document.path, route=("name",))
            related = (("it stands here first", Location(file=first[key], route=("name",))),)
            message = f"two manifests are named {key[0]} {key[1]}"
            found.append(Diagnostic(code="name-twice", message=message, where=where, related=related))
        first.setdefault(key, item.document.path)
    return [item for item in checked if times[item.manifest.name, item.manifest.version] == 1], found


def _default() -> Iterable[Path]:
    return [Path(DEFAULT_FOLDER)] if Path(DEFAULT_FOLDER).is_dir() else [Path()]


def _of_folder(folder: Path) -> tuple[list[Path], list[Diagnostic]]:
    manifests, warnings = [], []
    for path in sorted(entry for entry in folder.iterdir() if entry.suffix in SUFFIXES and entry.is_file()):
        version = _api_version(path)
        if version is None:
            message = f"{path} has no `apiVersion`, so it was passed over"
            where = Location(file=str(path), line=1, column=1)
            hint = "add `apiVersion: edgec/v1` if it is a manifest"
            warnings.append(
                Diagnostic(code="no-api-version", severity="warning", message=message, where=where, hint=hint)
            )
        elif version.startswith(b"edgec/"):
            manifests.append(path)
    return manifests, warnings


def _api_version(path: Path) -> bytes | None:
    with path.open("rb") as file:
        match = _API_VERSION.search(file.read(LOOK_BYTES))
    return match[1] if match else None


def _git_root(folder: Path) -> Path | None:
    for parent in (folder, *folder.parents):
        reads.note(parent / ".git")
        if (parent / ".git").exists():
            return parent
    return None
