"""Detection takes one picture: where its boxes lie is counted in that picture's pixels."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a finding where a detector has another input than one picture."""
    if manifest.task.name != "detection" or [entry.image is not None for entry in manifest.inputs] == [True]:
        return []
    given = "a plain tensor" if len(manifest.inputs) == 1 else f"{len(manifest.inputs)} inputs"
    message = f"the task 'detection' takes one picture; the manifest has {given}"
    hint = "give the model one input with an `image:` block"
    return [Diagnostic(code="does-not-fit", message=message, where=at("inputs"), hint=hint)]
