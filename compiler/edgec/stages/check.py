"""A Manifest held against the rules that no schema can say: every mistake that is known before torch is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edgec.artifacts.document import Document, Route
from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks import (
    audio_fits,
    budgets_agree,
    code_runs,
    cpu_known,
    data_usable,
    delegate_available,
    delegate_on_target,
    detection_fits,
    device_has,
    dimension_range,
    evaluation_needed,
    fine_tuning_fits,
    fit_for_release,
    glibc_known,
    input_twice,
    metric_fits_task,
    mixed_keeps,
    recipe_needs_data,
    recipe_on_core,
    recipe_on_delegate,
    search_possible,
    slices_usable,
    source_usable,
    stream_fits,
    target_known,
    target_twice,
    target_within_means,
    task_usable,
    truth_fits,
    types_on_target,
)
from edgec.diagnostics import Diagnostic, Failure, Location

Rule = Callable[[Manifest, Project], list[Diagnostic]]

RULES: tuple[Rule, ...] = (
    target_known.check,
    cpu_known.check,
    target_twice.check,
    device_has.check,
    glibc_known.check,
    target_within_means.check,
    input_twice.check,
    dimension_range.check,
    stream_fits.check,
    detection_fits.check,
    audio_fits.check,
    types_on_target.check,
    delegate_available.check,
    delegate_on_target.check,
    recipe_on_delegate.check,
    recipe_on_core.check,
    recipe_needs_data.check,
    mixed_keeps.check,
    search_possible.check,
    evaluation_needed.check,
    metric_fits_task.check,
    budgets_agree.check,
    source_usable.check,
    task_usable.check,
    data_usable.check,
    truth_fits.check,
    fine_tuning_fits.check,
    slices_usable.check,
    code_runs.check,
    fit_for_release.check,
)


def check(
    manifest: Manifest, document: Document, project: Project, others: Mapping[str, Document] | None = None
) -> tuple[Diagnostic, ...]:
    """Return the warnings and notes on ``manifest``. Raises Failure with everything found when one is an error.

    ``others`` are the texts of its target files.
    """
    found = tuple(_in_file(finding, document) for rule in RULES for finding in rule(manifest, project))
    if any(finding.severity == "error" for finding in found):
        raise Failure(*found, documents={**(others or {}), document.path: document})
    return found


def _in_file(finding: Diagnostic, document: Document) -> Diagnostic:
    def placed(where: Location) -> Location:
        return where if where.file else replace(where, file=document.path, route=_written(where.route, document))

    related = tuple((text, placed(where)) for text, where in finding.related)
    return replace(finding, where=placed(finding.where or Location(file="")), related=related)


def _written(route: Route, document: Document) -> Route:
    """A recipe's options may stand one key deeper: ``quantization: {recipe: {name: …, options: …}}``."""
    before, options = (route[: route.index("options")], route[route.index("options") :]) if "options" in route else (route, ())
    deeper = (*before, "recipe", *options)
    return deeper if options and deeper in document.values else route
