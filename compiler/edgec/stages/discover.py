"""What a user names on the command line to the manifests that are meant, and the project around each."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgec import reads
from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Route
from edgec.artifacts.project import Project
from edgec.artifacts.signed import TARBALL_ENDING, bundle_name
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.atomic import read_errors
from edgec.store.files import is_file, is_folder

SUFFIXES = (".yaml", ".yml")
DEFAULT_FOLDER = "manifests"
LOOK_BYTES = 256 * 1024  # as much as a manifest may be long
_TARGET = re.compile(rb"""^["']?kind["']?[ \t]*:[ \t]*["']?Target\b""", re.MULTILINE)
_API_VERSION = re.compile(rb"""^["']?apiVersion["']?[ \t]*:[ \t]*["']?([^"'\s#]*)""", re.MULTILINE)

_NOT_AT_THE_MARGIN = re.compile(
    rb"\A(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n|---[ \t]*(?:#[^\n]*)?\r?\n)*(?=[ \t]+[^\s#]|\{|---[ \t]+[^\s#])"
)
"""What comes before a top-level mapping that is indented or written in braces; the keys of all others begin their lines."""


def discover(paths: Sequence[Path]) -> tuple[list[Path], list[Diagnostic]]:
    """Return the manifests among ``paths`` in order, each once, and a finding on each other path.

    A file is taken as it is; of a folder, every YAML file straight in it with ``apiVersion: edgec/…``, and each that cannot
    be read. There are warnings on those passed over, and ``not-readable`` for a folder that cannot be listed. No path at
    all means ``manifests/``, or the current folder where there is none. Raises Failure ``no-manifest`` for an empty folder.
    """
    found: list[Path] = []
    told: list[Diagnostic] = []
    missing: list[Diagnostic] = []
    for path in paths or _default():
        try:
            with read_errors(str(path)):
                manifests, passed = _of_folder(path) if is_folder(path) else ([path], [])
        except Failure as failure:
            told += failure.diagnostics
            continue
        found += manifests
        told += passed
        if not manifests:
            missing.append(none_in(path))
    if missing:
        raise Failure(*missing, *told)
    return list(dict.fromkeys(found)), told


def none_in(folder: Path) -> Diagnostic:
    """Return what is said of a folder without manifests."""
    message = f"no manifest in the folder {str(folder)!r}"
    hint = "a manifest is a YAML file with `apiVersion: edgec/v1`; `edgec init` writes one"
    return Diagnostic(code="no-manifest", message=message, hint=hint)


def is_target_file(path: Path) -> bool:
    """Whether a YAML file says ``kind: Target`` at its top: a device of the project's own, and no manifest."""
    if not is_file(path):
        return False
    with path.open("rb") as file:
        content = file.read(LOOK_BYTES).removeprefix(BOM_UTF8)
    return _TARGET.search(content) is not None or (b"Target" in content and _first_level(content, "kind") == b"Target")


def project_of(path: Path, root: Path | None = None, *, offline: bool = False) -> Project:
    """Return the Project of the manifest ``path``: ``root``, else the enclosing git root, else the manifest's folder.

    Raises Failure ``path-outside-root`` when the manifest does not lie in ``root``.
    """
    folder = path.resolve().parent
    top = root.resolve() if root else git_root(folder) or folder
    if not folder.is_relative_to(top):
        message = f"the manifest {str(path)!r} lies outside the root {str(root)!r}"
        raise Failure(Diagnostic(code="path-outside-root", message=message, hint="name a root that holds it"))
    return Project(root=top, folder=folder, offline=offline)


def named_twice(checked: Sequence[Checked]) -> tuple[list[Checked], list[Diagnostic]]:
    """Return the manifests that write what no other writes, and a finding for each later one that would write the same.

    That is one of the same name and version, or with a target whose tarball is named as another manifest's is. All that
    share a name are left out: which is meant is the user's to say.
    """
    first: dict[str, Checked] = {}
    found: list[Diagnostic] = []
    alike: set[str] = set()
    told: set[str] = set()
    for item in checked:
        for name, message, route in _names(item):
            other = first.setdefault(name, item)
            if other is not item:
                if item.document.path not in told:
                    found.append(_twice(other, item, message, route))
                told.add(item.document.path)
                alike |= {other.document.path, item.document.path}
    return [item for item in checked if item.document.path not in alike], found


def _names(item: Checked) -> Iterator[tuple[str, str, Route]]:
    """What a manifest's bundles are told apart by: each name, what to say of two that have it, and where it stands."""
    name, version = item.manifest.name, item.manifest.version
    yield f"{name} {version}", f"two manifests are named {name} {version}", ("name",)
    for target in item.manifest.targets:
        tarball = f"{bundle_name(name, version, target.name)}{TARBALL_ENDING}"
        yield tarball, f"two manifests would write one tarball: {tarball}", target.route


def _twice(first: Checked, later: Checked, message: str, route: Route) -> Diagnostic:
    where = Location(file=later.document.path, route=route)
    related = (("it stands here first", Location(file=first.document.path, route=("name",))),)
    return Diagnostic(code="name-twice", message=message, where=where, related=related)


def _default() -> Iterable[Path]:
    return [Path(DEFAULT_FOLDER)] if Path(DEFAULT_FOLDER).is_dir() else [Path()]


def _of_folder(folder: Path) -> tuple[list[Path], list[Diagnostic]]:
    manifests, warnings = [], []
    for path in sorted(entry for entry in folder.iterdir() if entry.suffix in SUFFIXES and entry.is_file()):
        try:
            version = _api_version(path)
        except OSError:  # whoever takes it for a manifest says why
            manifests.append(path)
            continue
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
        content = file.read(LOOK_BYTES).removeprefix(BOM_UTF8)
    match = _API_VERSION.search(content)
    return match[1] if match else _first_level(content, "apiVersion")


def _first_level(content: bytes, key: str) -> bytes | None:
    """Return the scalar at ``key`` of the top-level mapping however that is written (JSON, indented); None without one.

    Where the file is damaged, what stands before the damage counts. Only a file that may have it there is looked through.
    """
    if key.encode() not in content or not _NOT_AT_THE_MARGIN.match(content):
        return None
    import yaml

    events = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(content)
    try:
        return _value_of(key, iter(events.get_event, None))
    except yaml.YAMLError:
        return None
    finally:
        events.dispose()


def _value_of(key: str, events: Iterator[Any]) -> bytes | None:
    from yaml import CollectionEndEvent, CollectionStartEvent, DocumentEndEvent, MappingStartEvent, NodeEvent

    depth, nodes, before = 0, 0, None
    for event in events:
        if isinstance(event, NodeEvent):
            if depth == 0 and not isinstance(event, MappingStartEvent):
                return None
            if depth == 1:  # keys and values take turns
                value = getattr(event, "value", None)
                if nodes % 2 and before == key:
                    return None if value is None else value.encode(errors="replace")
                nodes, before = nodes + 1, value
            depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if isinstance(event, DocumentEndEvent):
            return None
    return None


def git_root(folder: Path) -> Path | None:
    """Return the folder, or the nearest one around it, that holds a `.git`."""
    for parent in (folder, *folder.parents):
        reads.note(parent / ".git")
        if (parent / ".git").exists():
            return parent
    return None
