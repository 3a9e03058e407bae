"""A budget on accuracy needs evaluation data."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at, budget_lists
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each accuracy budget's place while ``data.evaluation`` is not there."""
    if manifest.dataset("evaluation"):
        return []
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
