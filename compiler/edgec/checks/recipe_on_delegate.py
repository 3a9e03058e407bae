"""A delegate must be able to run what the recipe makes, and its quantizer heed the options that are given to the recipe."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import Setting, settings, unheeded
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each delegate that does not take its target's recipe, and each option that it passes over."""
    found = []
    for setting in settings(manifest):
        for delegate in setting.delegates:
            module = plugin("delegates", delegate.name)
            recipes = module.RECIPES
            if module.AVAILABLE and setting.recipe.name not in recipes:
                message = f"the delegate {delegate.name!r} does not run the recipe {setting.recipe.name!r}"
                where, hint = at(*setting.recipe_route), f"recipes of {delegate.name}: {', '.join(recipes)}"
                found.append(Diagnostic(code="does-not-fit", message=message, where=where, hint=hint))
        found += _unheeded(setting)
    return list(dict.fromkeys(found))


def _unheeded(setting: Setting) -> list[Diagnostic]:
    """Name the options that would be recorded and change nothing."""
    name, recipe = setting.delegates[0].name, setting.recipe.name
    taken = [
        option for option in plugin("delegates", name).SCHEME if option in plugin("recipes", recipe).OPTIONS["properties"]
    ]
    hint = f"leave it out; the quantizer of {name} heeds {', '.join(taken) or 'neither per_channel nor observer'}"
    return [
        Diagnostic(
            code="does-not-fit",
            message=f"the option {option!r} of {recipe} changes nothing with the delegate {name!r}",
            where=at(*setting.recipe_route, "options", option),
            hint=hint,
        )
        for option in unheeded(setting)
    ]
