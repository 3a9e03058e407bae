"""A target can have no more threads than cores, and a memory budget above its memory limits nothing."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.measured import written
from edgec.artifacts.project import Project
from edgec.checks.places import at, of
from edgec.diagnostics import Diagnostic, Location
from edgec.targets.cpus import GENERIC
from edgec.targets.devices import device


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a warning for each target with more threads than cores, or a memory budget above its memory."""
    found = []
    for target in manifest.targets:
        row = device(target)
        if row is None or row.cpu in GENERIC:  # how large any machine of an architecture is, nobody knows
            continue
        threads, where = (
            (target.threads, of(target, "threads")) if target.threads else (manifest.threads, at("runtime", "threads"))
        )
        if threads and threads > row.cores:
            found.append(_warning(f"{threads} threads on the {row.cores} cores of {target.name!r}", where))
        own = [budget for budget in target.budgets or () if budget.kind == "memory"]
        for budget in own or manifest.budgets:  # a target's own replace the manifest's of their kind
            if budget.kind == "memory" and budget.limit > row.memory:
                message = f"a memory budget of {budget.text} limits nothing: {target.name!r} has {written(row.memory, 'bytes')}"
                found.append(_warning(message, at(*budget.route)))
    return list(dict.fromkeys(found))


def _warning(message: str, where: Location) -> Diagnostic:
    return Diagnostic(code="beyond-means", severity="warning", message=message, where=where)
