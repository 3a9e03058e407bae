"""A source that runs the project's code is named before a build asks for trust."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a note when the model's source runs code."""
    if not plugin("sources", manifest.model.name).RUNS_CODE:
        return []
    return [
        Diagnostic(
            code="runs-code",
            severity="note",
            message=f"loading a model from {manifest.model.name!r} runs code of the project",
            where=at("model", "source"),
            hint="`edgec build` needs --allow-code, or an entry in edgec.toml",
        )
    ]
