"""What the model gives and the artifact does not: told, so that nobody looks for it on the device."""

from __future__ import annotations

from edgec.artifacts.lowered import LEFT_OUT, Lowered
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic, Location


def omissions(plan: Plan, lowered: Lowered) -> tuple[Diagnostic, ...]:
    """Return a note that names what the model's forward gives beside tensors."""
    if LEFT_OUT not in lowered.resolved:
        return ()
    return (
        Diagnostic(
            code="output-left-out",
            severity="note",
            message=f"{plan.target.name}: left out {lowered.resolved[LEFT_OUT]}, which the model gives and which is no tensor",
            where=Location(file=plan.manifest, route=("model",)),
            hint="let forward return it as a tensor where the device should have it",
        ),
    )
