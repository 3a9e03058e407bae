"""A recipe that learns from data needs that data."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import settings
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each place that chooses a recipe while data of a role that it needs are not there."""
    needing = {
        (setting.recipe_route, role): setting.recipe.name
        for setting in settings(manifest)
        for role in plugin("recipes", setting.recipe.name).NEEDS_DATA
        if not manifest.dataset(role)
    }
    return [
        Diagnostic(
            code="needs-data",
            message=f"the recipe {name!r} needs {role} data, and the manifest names none",
            where=at(*route),
            hint=f"add `data.{role}` with a `format` and a `path`",
        )
        for (route, role), name in needing.items()
    ]
