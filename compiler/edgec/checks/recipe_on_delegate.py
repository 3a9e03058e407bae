"""A delegate must be able to run what the recipe makes."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import settings
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each delegate that does not take its target's recipe."""
    found = []
    for setting in settings(manifest):
        for delegate in setting.delegates:
            module = plugin("delegates", delegate.name)
            recipes = module.RECIPES
            if module.AVAILABLE and setting.recipe.name not in recipes:
                message = f"the delegate {delegate.name!r} does not run the recipe {setting.recipe.name!r}"
                where, hint = at(*setting.recipe_route), f"recipes of {delegate.name}: {', '.join(recipes)}"
                found.append(Diagnostic(code="does-not-fit", message=message, where=where, hint=hint))
    return list(dict.fromkeys(found))
