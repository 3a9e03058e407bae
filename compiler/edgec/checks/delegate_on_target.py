"""A delegate must exist on the target that it is chosen for."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import Setting, settings, unfit
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin
from edgec.targets.devices import device
from edgec.targets.table import TARGETS


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each delegate that a target of the manifest does not have."""
    found = []
    for setting in settings(manifest):
        row, hardware = TARGETS.get(setting.target.base), device(setting.target)
        found += _one_id(setting)
        for delegate in setting.delegates if row else ():
            if row and delegate.name not in row.delegates and plugin("delegates", delegate.name).AVAILABLE:
                message = f"the delegate {delegate.name!r} does not run on {setting.target.name!r}"
                found.append(_misfit(setting, message, f"delegates of {row.name}: {', '.join(row.delegates)}"))
            elif hardware and (why := unfit(delegate, hardware)):
                found.append(_misfit(setting, why, "leave the option out, and the target decides; or name another target"))
    return found


def _one_id(setting: Setting) -> list[Diagnostic]:
    """Name two delegates of one list that the runtime knows by one id: a program links one of them."""
    first: dict[str, str] = {}
    found = []
    for delegate in setting.delegates:
        for backend in plugin("delegates", delegate.name).BACKENDS:
            if first.setdefault(backend, delegate.name) != delegate.name:
                message = f"{first[backend]!r} and {delegate.name!r} are one delegate to the runtime, {backend}"
                found.append(_misfit(setting, message, "name one of the two"))
    return found


def _misfit(setting: Setting, message: str, hint: str) -> Diagnostic:
    where, chosen = at(*setting.target.route), at(*setting.delegates_route)
    related = (("the delegate is chosen here", chosen),)
    return Diagnostic(code="does-not-fit", message=message, where=where, hint=hint, related=related)
