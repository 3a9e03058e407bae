"""A recipe that learns ranges from data needs calibration data."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at, settings
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each place that chooses such a recipe while ``data.calibration`` is not there."""
    if manifest.dataset("calibration"):
        return []
    needing = {
        setting.recipe_route: setting.recipe.name
        for setting in settings(manifest)
        if plugin("recipes", setting.recipe.name).NEEDS_CALIBRATION
    }
    return [
        Diagnostic(
            code="needs-data",
            message=f"the recipe {name!r} needs calibration data, and the manifest names none",
            where=at(*route),
            hint="add `data.calibration` with a `format` and a `path`",
        )
        for route, name in needing.items()
    ]
