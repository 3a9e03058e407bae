"""Every target has its own name, because the name is the bundle's folder."""

from __future__ import annotations

from edgec.artifacts.document import Route
from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each target whose name an earlier one has."""
    first: dict[str, Route] = {}
    found = []
    for target in manifest.targets:
        if target.name in first:
            message = f"the target {target.name!r} stands here twice"
            hint = "remove one, or give each a `name` of its own and the same `base`"
            related = (("it stands here first", at(*first[target.name])),)
            found.append(
                Diagnostic(code="name-twice", message=message, where=at(*target.route), hint=hint, related=related)
            )
        first.setdefault(target.name, target.route)
    return found
