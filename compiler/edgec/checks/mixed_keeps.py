"""A mixed recipe must be told what to keep: by name, by type, or by accuracy budgets that the sensitivity is held to."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import Setting, settings
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each recipe that keeps nothing, or that looks for it without a budget or data to judge by."""
    found = []
    for setting in settings(manifest):
        if "sensitivity" in plugin("recipes", setting.recipe.name).OPTIONS.get("properties", {}):
            found += _one(manifest, setting)
    return list(dict.fromkeys(found))


def _one(manifest: Manifest, setting: Setting) -> list[Diagnostic]:
    name, options = setting.recipe.name, setting.recipe.options
    where = at(*setting.recipe_route)
    if not options.get("sensitivity"):
        if options.get("keep"):
            return []
        message = f"the recipe {name!r} is told neither what to keep in float nor to find it"
        hint = "name submodules (`keep: {modules: [...]}`), types (`keep: {types: [...]}`), or write `sensitivity: true`"
        return [Diagnostic(code="missing-key", message=message, where=where, hint=hint)]
    if not _accuracy(manifest, setting):
        message = f"the recipe {name!r} keeps submodules until the accuracy budgets hold, and there is none"
        hint = "add `budgets.accuracy`, or name what to keep"
        return [Diagnostic(code="needs-data", message=message, where=where, hint=hint)]
    return []  # a budget on accuracy without evaluation data is another rule's finding


def _accuracy(manifest: Manifest, setting: Setting) -> bool:
    return any(budget.kind == "accuracy" for budget in (*manifest.budgets, *(setting.target.budgets or ())))
