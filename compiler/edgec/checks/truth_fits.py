"""Evaluation data must give the kind of truth that the task compares with, and labels where a budget looks at them."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.artifacts.manifest import Budget, Data, Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at, budgets
from edgec.diagnostics import Diagnostic, Failure
from edgec.protocols import Task
from edgec.registry import names, plugin

WORDS = {"class": "a class", "number": "numbers", "boxes": "boxes", "mask": "a mask"}


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a finding where truths of another kind would be compared, or a budget finds none. Nothing is decoded."""
    data, task = manifest.dataset("evaluation"), plugin("tasks", manifest.task.name)
    if data is None or not task.TRUTH:
        return []
    try:
        labels: tuple[str, ...] = task.labels(manifest.task.options, project)
        why = _asked(manifest, task, labels)
        if task.TRUTH in plugin("datasets", data.format).TRUTHS:
            return _unlabelled(data, why, labels) if why and not _labelled(data, project, labels) else []
        compared = why or (_always(task) and _labelled(data, project, labels))
    except Failure:
        return []  # other rules say what is wrong with the task or the data
    return [_misfit(manifest.task.name, task.TRUTH, data.format)] if compared else []


def _asked(manifest: Manifest, task: Task, labels: Sequence[str]) -> str:
    """What a budget looks at the truth for, in words; "" where none does."""
    metrics = dict.fromkeys(budget.statistic for budget in budgets(manifest) if _compares(budget, task))
    if metrics:
        return f"a budget of {' and '.join(metrics)} compares with the truth"
    sliced = any(budget.slice and budget.slice.by == "class" for budget in budgets(manifest))
    return "slices by class need to know each sample's class" if sliced and labels and task.TRUTH == "class" else ""


def _compares(budget: Budget, task: Task) -> bool:
    """Whether a budget's metric is one of the task's and looks at the truth; flips are counted against fp32."""
    if budget.kind != "accuracy" or budget.sense == "max_flips" or budget.statistic not in task.METRICS:
        return False
    needs: bool = plugin("metrics", budget.statistic).NEEDS_LABELS
    return needs


def _always(task: Task) -> bool:
    """Whether the task's own metric, which is measured of all data with labels, looks at them."""
    needs: bool = plugin("metrics", task.METRICS[0]).NEEDS_LABELS
    return needs


def _labelled(data: Data, project: Project, labels: Sequence[str]) -> bool:
    found: bool = plugin("datasets", data.format).labelled(data.options, project, labels)
    return found


def _misfit(task: str, truth: str, name: str) -> Diagnostic:
    given = " or ".join(WORDS[kind] for kind in plugin("datasets", name).TRUTHS)
    fitting = [other for other in names("datasets") if truth in plugin("datasets", other).TRUTHS]
    message = f"the task {task!r} compares with {WORDS[truth]}, and the format {name!r} gives {given}"
    hint = f"formats that give {WORDS[truth]}: {', '.join(fitting)}"
    return Diagnostic(code="does-not-fit", message=message, where=at("data", "evaluation", "format"), hint=hint)


def _unlabelled(data: Data, why: str, labels: Sequence[str]) -> list[Diagnostic]:
    message = f"{why}, and the evaluation data has no labels"
    hint = "add labels to the data, or budget a metric that needs none"
    if not labels and plugin("datasets", data.format).TRUTHS == ("class",):
        hint = "give the task `labels`: without them the names of folders are no classes"
    return [Diagnostic(code="needs-data", message=message, where=at("data", "evaluation"), hint=hint)]
