"""Every input has its own name, because data files and the bundle find it by that."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each input whose name an earlier one has."""
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
