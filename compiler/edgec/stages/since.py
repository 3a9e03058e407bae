"""Whether a manifest, or anything that it reads, is among files that changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from pathlib import Path

from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Json
from edgec.registry import plugin
from edgec.store.policy import POLICY


def touched(checked: Checked, changed: Set[Path], policy: Path | None = None) -> bool:
    """Return whether one of the ``changed`` files (absolute) is read by a build of the manifest, or was, and is gone.

    Nothing is hashed. Too much is named rather than too little: a file that is new or gone below a folder that the manifest
    names counts, so does a changed link or submodule through which something is read, and any Python file of the project
    where the source runs the project's code. ``policy`` is one that was named in place of the project's own.
    """
    manifest, project = checked.manifest, checked.project
    source = plugin("sources", manifest.model.name)
    read = {Path(checked.document.path).resolve(), project.root / POLICY, *source.files(manifest.model.options, project)}
    read |= {policy.resolve()} if policy else set()
    read |= {project.root / name for choice in manifest.targets for name in choice.files}
    for data in manifest.data:
        read |= set(plugin("datasets", data.format).files(data.options, project))
    if not read.isdisjoint(changed):
        return True
    places = {Path(os.path.normpath(project.folder / text)) for text in _texts(manifest)}
    named = places | _real(places)
    if any(path in named or not named.isdisjoint(path.parents) for path in changed):
        return True
    if source.RUNS_CODE and any(_holds_code(path) and project.root in path.parents for path in changed):
        return True
    return _leads_to(changed, _real(read) | named)


def _leads_to(changed: Set[Path], read: Set[Path]) -> bool:
    """Whether a changed link or submodule leads to one of the files ``read``, which are resolved, or to a folder around one.

    Git tells of a link or submodule, and not of the files behind it.
    """
    folders = {path.parent for path in read}
    passed = read | folders | {above for folder in folders for above in folder.parents}
    return not passed.isdisjoint(_real(changed))


def _real(paths: Set[Path]) -> set[Path]:
    """Return the paths with all links followed, each folder's once; one that leads nowhere, or in a circle, raises nothing."""
    folders = {folder: os.path.realpath(folder) for folder in {path.parent for path in paths}}
    found = (os.path.join(folders[path.parent], path.name) for path in paths)  # noqa: PTH118
    return {Path(os.path.realpath(name) if os.path.islink(name) else name) for name in found}  # noqa: PTH114


def _holds_code(path: Path) -> bool:
    """Whether a changed path is a Python file, or a link or submodule that may hold some."""
    return path.suffix == ".py" or os.path.isdir(path)  # noqa: PTH112 (false for what cannot be looked at)


def _texts(manifest: object) -> Iterator[str]:
    """Every text among the options of model, task and data: those that name something name it from the manifest's folder."""
    from edgec.artifacts.codec import to_json

    facts = to_json(manifest)
    for part in (facts["model"]["options"], facts["task"]["options"], *(data["options"] for data in facts["data"])):
        yield from _strings(part)


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str) and value and "\0" not in value:
        if value.strip("./"):
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
