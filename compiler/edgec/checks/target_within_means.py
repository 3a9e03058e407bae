"""A target can have no more threads than cores, and a memory budget above its memory limits nothing."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.measured import written
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.targets.cpus import GENERIC
from edgec.targets.table import TARGETS


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a warning for each target with more threads than cores, or a memory budget above its memory."""
    found = []
    for target in manifest.targets:
        row = TARGETS.get(target.base)
        if row is None or row.cpu in GENERIC:  # how large any machine of an architecture is, nobody knows
            continue
        threads, route = (
            (target.threads, (*target.route, "threads")) if target.threads else (manifest.threads, ("runtime", "threads"))
        )
        if threads and threads > row.cores:
            found.append(_warning(f"{threads} threads on the {row.cores} cores of {target.name!r}", route))
        memory = target.memory or row.memory
        for budget in manifest.budgets if target.budgets is None else (*manifest.budgets, *target.budgets):
            if budget.kind == "memory" and budget.limit > memory:
                message = f"a memory budget of {budget.text} limits nothing: {target.name!r} has {written(memory, 'bytes')}"
                found.append(_warning(message, budget.route))
    return list(dict.fromkeys(found))


def _warning(message: str, route: tuple[str | int, ...]) -> Diagnostic:
    return Diagnostic(code="beyond-means", severity="warning", message=message, where=at(*route))
