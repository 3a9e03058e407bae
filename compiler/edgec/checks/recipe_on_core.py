"""A recipe in a precision that a core has no arithmetic for computes as float32 does: a smaller file, and no speed."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import settings
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin
from edgec.targets.devices import device

HALF = ("fp16", "bf16")


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a warning for each target whose core computes the recipe that was chosen for it in float32."""
    found = []
    for setting in settings(manifest):
        target, precision = device(setting.target), plugin("recipes", setting.recipe.name).PRECISION
        # Of a search fp16 is one candidate, which loses by itself; of machines of many kinds nobody knows.
        if setting.searched or target is None or precision not in HALF or not target.macs_per_cycle:
            continue
        if precision not in target.macs_per_cycle:
            message = f"{setting.recipe.name} brings {target.name!r} no speed: {target.cpu} computes it in float32"
            hint = "its file is smaller all the same; int8 is smaller still, and fp32 as fast"
            where = at(*setting.recipe_route)
            found.append(Diagnostic(code="no-speed", severity="warning", message=message, where=where, hint=hint))
    return list(dict.fromkeys(found))
