"""An axis that varies has a maximum above its minimum."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each axis whose minimum is above its maximum."""
    return [
        Diagnostic(
            code="wrong-value",
            message=f"inputs[{index}].shape[{axis}]: min {size.minimum} is above max {size.maximum}",
            where=at("inputs", index, "shape", axis),
        )
        for index, entry in enumerate(manifest.inputs)
        for axis, size in enumerate(entry.shape)
        if size.minimum > size.maximum
    ]
