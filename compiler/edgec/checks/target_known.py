"""A device that is not in the target table itself must say which target it is a kind of."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic, nearest
from edgec.targets.table import TARGETS


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each target whose base is not in the table."""
    return [
        Diagnostic(
            code="unknown-name",
            message=f"unknown target {target.base!r}, and it names no `base`",
            where=at(*target.route, "name"),
            hint=_hint(target.base),
        )
        for target in manifest.targets
        if target.base not in TARGETS
    ]


def _hint(name: str) -> str:
    near = nearest(name, TARGETS)
    meant = f"did you mean {near}? " if near else ""
    return f"{meant}add `base:` with one of: {', '.join(TARGETS)}"
