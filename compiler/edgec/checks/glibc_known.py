"""A device's glibc must be one that the runtime starts on."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import settings, without_runtime
from edgec.checks.places import of
from edgec.diagnostics import Diagnostic
from edgec.targets.table import TARGETS


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each target with an older glibc than its bundle's runtime needs."""
    found = []
    for setting in settings(manifest):
        target = setting.target
        row = TARGETS.get(target.base)
        if target.glibc is None or row is None or not row.glibc or without_runtime(setting.delegates, row):
            continue  # without a glibc of its own, or with a runtime that is built on the device
        from edgec.runtime.build import OLDEST_GLIBC, numbers  # brings subprocess, which `validate` does without

        if numbers(target.glibc) < numbers(OLDEST_GLIBC):
            message = f"glibc {target.glibc} is older than {OLDEST_GLIBC}, the oldest that ExecuTorch's runtime starts on"
            hint = f'write "{OLDEST_GLIBC}" or newer; a system with an older one cannot run the bundle'
            found.append(Diagnostic(code="does-not-fit", message=message, where=of(target, "glibc"), hint=hint))
    return list(dict.fromkeys(found))
