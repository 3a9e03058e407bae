"""A device with another CPU than its base must name one that edgec knows, of the same architecture."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import of
from edgec.diagnostics import Diagnostic, nearest
from edgec.targets.cpus import CPUS
from edgec.targets.table import TARGETS


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each target whose ``cpu`` is unknown, or of another architecture than its base."""
    found = []
    for target in manifest.targets:
        row = TARGETS.get(target.base)
        if row is None or target.cpu is None:
            continue
        known = [cpu.name for cpu in CPUS.values() if cpu.architecture == row.architecture]
        where = of(target, "cpu")
        if target.cpu not in CPUS:
            close = nearest(target.cpu, known) or nearest(target.cpu, CPUS)
            meant = f"did you mean {close}? " if close else ""
            hint = f"{meant}{row.architecture} has: {', '.join(known)}"
            found.append(Diagnostic(code="unknown-name", message=f"unknown CPU {target.cpu!r}", where=where, hint=hint))
        elif target.cpu not in known:
            message = f"{target.cpu} is {CPUS[target.cpu].architecture}, and {target.base} is {row.architecture}"
            hint = f"take a `base` of its architecture, or one of: {', '.join(known)}"
            found.append(Diagnostic(code="does-not-fit", message=message, where=where, hint=hint))
    return found
