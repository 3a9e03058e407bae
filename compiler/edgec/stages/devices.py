"""The targets of a manifest's document, with what their target files say filled in: each a chain down to a row's name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgec.artifacts.device import Device
from edgec.artifacts.document import Document, Json, Route
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Location, nearest
from edgec.store.files import is_file, is_folder

Load = Callable[[Path, str], Document]
"""Reads the target file at a path, which messages call as the second argument says, and holds it against its schema."""

OF_THE_FILE = ("apiVersion", "kind", "description", "base")
"""Keys of a target file that are about itself."""


@dataclass(frozen=True, kw_only=True)
class _Link:
    """A file that is named somewhere: what was written, where, and the folder that it is relative to."""

    name: str
    where: Location
    folder: Path


def devices(document: Document, project: Project, load: Load) -> tuple[tuple[Device, ...], dict[str, Document]]:
    """Return each target of a manifest with its target files filled in, and the texts of these files by name.

    ``document`` has the manifest's shape. Raises Failure with what is wrong in all of them: ``does-not-fit``,
    ``target-file``, ``target-cycle``, ``path-outside-root``, and what ``load`` raises.
    """
    found: list[Device] = []
    wrong: list[Diagnostic] = []
    documents: dict[str, Document] = {document.path: document}
    for index, entry in enumerate(document.data["targets"]):
        link = _link(entry, document.path, ("targets", index), project.folder)
        if link is None:
            found.append(Device(data=entry))
            continue
        wrong += _based_twice(entry, document.path, index)
        try:
            found.append(_filled(entry, _chain(link, project, load, documents), project))
        except Failure as failure:
            wrong += failure.diagnostics
            documents |= failure.documents
    if wrong:
        raise Failure(*dict.fromkeys(wrong), documents=documents)
    return tuple(found), documents


def _based_twice(entry: Json, file: str, index: int) -> Iterator[Diagnostic]:
    """Refuse a base beside a target file, which names its own: one of the two would be passed over in silence."""
    if "file" in entry and "base" in entry:
        route: Route = ("targets", index)
        yield Diagnostic(
            code="does-not-fit",
            message="'base' stands beside 'file': the target file says what it is based on",
            where=Location(file=file, route=(*route, "base"), on="key"),
            hint="remove `base`, or change it in the target file",
            related=(("the target file is named here", Location(file=file, route=(*route, "file"))),),
        )


def chain_of(document: Document, path: Path, project: Project, load: Load) -> dict[str, Document]:
    """Follow the bases of one target file, which has its shape; return all texts by name. Raises as ``devices``."""
    documents = {document.path: document}
    if link := _link(document.data, document.path, (), path.resolve().parent):
        _chain(link, project, load, documents, {path.resolve(): Location(file=document.path, route=("name",))})
    return documents


def _link(data: Json, file: str, route: Route, folder: Path) -> _Link | None:
    """Return the target file that an entry, or a target file itself, is based on; None where it names a row."""
    if not isinstance(data, dict):
        return None
    if "file" in data:
        return _Link(name=data["file"], where=Location(file=file, route=(*route, "file")), folder=folder)
    base = data.get("base")
    if isinstance(base, dict):
        return _Link(name=base["file"], where=Location(file=file, route=(*route, "base", "file")), folder=folder)
    return None


def _chain(
    link: _Link | None,
    project: Project,
    load: Load,
    documents: dict[str, Document],
    seen: Mapping[Path, Location] | None = None,
) -> list[tuple[Path, Document]]:
    """Return the target files from ``link`` on, nearest first; ``documents`` gets their texts."""
    passed = dict(seen or {})
    found: list[tuple[Path, Document]] = []
    while link is not None:
        path = _resolved(link, project)
        shown = os.path.normpath(Path(link.where.file).parent / link.name)  # as the user's own paths are, from here
        if path in passed:
            message = f"the target file {shown} is based on itself"
            related = (("it is named here first", passed[path]),)
            raise Failure(
                Diagnostic(code="target-cycle", message=message, where=link.where, related=related,
                           hint="let one of these files have a target that edgec knows as its base")
            )  # fmt: skip
        passed[path] = link.where
        document = load(path, shown)
        documents[shown] = document
        found.append((path, document))
        link = _link(document.data, shown, (), path.parent)
    return found


def _resolved(link: _Link, project: Project) -> Path:
    """Return the absolute path of a named file. Raises Failure ``path-outside-root`` or ``target-file``, at its place."""
    try:
        path = replace(project, folder=link.folder).resolve(link.name)
    except Failure as failure:
        raise Failure(*(replace(found, where=link.where) for found in failure.diagnostics)) from failure
    if not is_file(path):
        message = f"there is no target file {link.name!r}"
        near = nearest(path.name, _beside(path))
        hint = (f"did you mean {near}? " if near else "") + "the path is relative to the file that names it"
        raise Failure(Diagnostic(code="target-file", message=message, where=link.where, hint=hint))
    return path


def _beside(path: Path) -> Iterator[str]:
    """The names of what lies beside a path where there is nothing to read."""
    if is_folder(path.parent):
        yield from (entry.name for entry in path.parent.iterdir() if entry.name != path.name)


def _filled(entry: Json, chain: list[tuple[Path, Document]], project: Project) -> Device:
    """Return the entry over its nearest file over that one's base, and so on."""
    data: dict[str, Json] = {"base": chain[-1][1].data["base"]}
    places: dict[str, Location] = {"base": Location(file=chain[-1][1].path, route=("base",))}
    for _, document in reversed(chain):
        given = {key: value for key, value in document.data.items() if key not in OF_THE_FILE}
        data |= given
        places |= {key: Location(file=document.path, route=(key,)) for key in given}
    own = {key: value for key, value in entry.items() if key not in ("file", "base")}  # a base that is a file is the chain
    places = {key: where for key, where in places.items() if key not in own}
    return Device(data=data | own, places=places, files=tuple(project.relative(path) for path, _ in chain))
