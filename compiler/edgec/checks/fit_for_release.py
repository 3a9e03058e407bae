"""A model with random weights is for trials."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a warning when the model's weights are random."""
    weights = manifest.model.options.get("weights")
    if not (isinstance(weights, dict) and "random" in weights):
        return []
    return [
        Diagnostic(
            code="not-for-release",
            severity="warning",
            message="random weights: the bundle will be marked not for release",
            where=at("model", "weights"),
        )
    ]
