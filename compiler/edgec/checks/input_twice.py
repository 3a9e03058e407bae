"""Every input has its own name, because data files and the bundle find it by that; in an .npz file `label` is the truth's."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each input whose name an earlier one has, or the truths in the manifest's data have."""
    return _twice(manifest) + _truths(manifest)


def _twice(manifest: Manifest) -> list[Diagnostic]:
    names = [entry.name for entry in manifest.inputs]
    return [
        Diagnostic(
            code="name-twice",
            message=f"the input {name!r} stands here twice",
            where=at("inputs", index, "name"),
            related=(("it stands here first", at("inputs", names.index(name), "name")),),
        )
        for index, name in enumerate(names)
        if names.index(name) != index
    ]


def _truths(manifest: Manifest) -> list[Diagnostic]:
    """One array would be both what the model gets and what it should answer."""
    data = next((data for data in manifest.data if data.format == "npz"), None)
    if data is None:
        return []
    return [
        Diagnostic(
            code="does-not-fit",
            message="an input cannot be called 'label' where data is npz: the array of that name holds the truths",
            where=at("inputs", index, "name"),
            hint="rename the input and its array",
            related=(("this data is npz", at("data", data.role, "format")),),
        )
        for index, entry in enumerate(manifest.inputs)
        if entry.name == "label"
    ]
