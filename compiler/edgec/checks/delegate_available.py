"""A delegate that is known and can be had nowhere is refused at once, with what it would need."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import combinations
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import names, plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one ``tool-missing`` for each place that names such a delegate."""
    found = []
    for setting in combinations(manifest):
        for delegate in setting.delegates:
            module = plugin("delegates", delegate.name)
            if not module.AVAILABLE:
                message = f"the delegate {delegate.name!r} is known and cannot be had here: {module.missing()}"
                offered = [name for name in names("delegates") if plugin("delegates", name).AVAILABLE]
                hint = f"delegates that can be had: {', '.join(offered)}"
                found.append(Diagnostic(code="tool-missing", message=message, where=at(*setting.delegates_route), hint=hint))
    return list(dict.fromkeys(found))
