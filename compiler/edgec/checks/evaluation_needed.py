"""A budget on accuracy needs evaluation data, and one on recordings needs recordings in it."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at, budget_lists, budgets
from edgec.diagnostics import Diagnostic
from edgec.registry import names, plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each accuracy budget's place while ``data.evaluation``, or what it asks of it, is not there."""
    if data := manifest.dataset("evaluation"):
        return [] if "recordings" in data.options else _without_recordings(manifest)
    first = [next((budget for budget in group if budget.kind == "accuracy"), None) for group in budget_lists(manifest)]
    return [
        Diagnostic(
            code="needs-data",
            message="a budget on accuracy needs evaluation data, and the manifest names none",
            where=at(*budget.route[: budget.route.index("accuracy") + 1], on="key"),
            hint="add `data.evaluation` with a `format` and a `path`",
        )
        for budget in first
        if budget is not None
    ]


def _without_recordings(manifest: Manifest) -> list[Diagnostic]:
    asked = [budget for budget in budgets(manifest) if budget.kind == "accuracy" and budget.sense != "max_flips"]
    known = [budget for budget in asked if budget.statistic in names("metrics")]  # another rule names the unknown
    return [
        Diagnostic(
            code="needs-data",
            message=f"{budget.statistic} is taken of recordings, and the evaluation data has none",
            where=at(*budget.route[:-1]),
            hint="give audio-folder `recordings:`, a folder of sound in which no keyword is said",
        )
        for budget in known
        if getattr(plugin("metrics", budget.statistic), "RECORDINGS", False)
    ]
