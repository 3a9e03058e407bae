"""An input must be of a type that the bundle for its target can make a tensor of."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import bundle_kind
from edgec.targets.table import TARGETS

NAMED = ("float32", "int64", "int32", "uint8", "bool")
"""What a manifest may call the type of an input; its schema has them too."""


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each input and each target whose bundle's sources have no tensor of the input's type."""
    rare = [(index, entry) for index, entry in enumerate(manifest.inputs) if entry.dtype != "float32"]  # which all have
    found = []
    for index, entry in rare:
        for target in manifest.targets:
            row = TARGETS.get(target.base)
            types = bundle_kind(row.kind).DTYPES if row else ()
            if types and entry.dtype not in types:
                message = f"the input {entry.name!r} is {entry.dtype}, and a bundle for {target.name!r} makes no tensor of that"
                allowed = ", ".join(name for name in NAMED if name in types)
                hint = f"such a bundle takes {allowed}: let the model take one of them and convert it"
                related = (("the target is named here", at(*target.route)),)
                where = at("inputs", index, "dtype")
                found.append(Diagnostic(code="does-not-fit", message=message, where=where, hint=hint, related=related))
    return found
