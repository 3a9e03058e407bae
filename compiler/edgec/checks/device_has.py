"""A device can only be given what its kind of device has: flash, a glibc, several cores that run inferences."""

from __future__ import annotations

from collections.abc import Iterator

from edgec.artifacts.manifest import Manifest, TargetChoice
from edgec.artifacts.project import Project
from edgec.artifacts.target import Target
from edgec.checks.places import of
from edgec.diagnostics import Diagnostic
from edgec.targets.table import TARGETS


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each thing that a target is given and its base has none of."""
    return [finding for target in manifest.targets if target.base in TARGETS for finding in _one(target, TARGETS[target.base])]


def _one(target: TargetChoice, row: Target) -> Iterator[Diagnostic]:
    if target.flash is not None and not row.flash:
        yield _none(target, "flash", f"{row.name} has no flash that holds the model", "leave it out; a file has room on a disk")
    if target.glibc is not None and not row.glibc:
        yield _none(target, "glibc", f"{row.name} has no glibc", "leave it out")
    if (target.cores or 1) > 1 and row.kind == "microcontroller":
        yield _none(target, "cores", f"{row.name} runs the model on one core", "leave it out, or write 1")


def _none(target: TargetChoice, key: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code="does-not-fit", message=message, where=of(target, key), hint=hint)
