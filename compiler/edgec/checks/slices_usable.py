"""A slice of an accuracy budget must name classes or folders that the evaluation data has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgec.artifacts.manifest import Budget, Data, Manifest
from edgec.artifacts.project import Project
from edgec.artifacts.slices import folders, within
from edgec.checks.places import at, budgets
from edgec.diagnostics import Diagnostic, Failure, lookalike, nearest
from edgec.registry import plugin

Identities = Sequence[tuple[str, Any]]


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each slice that the task or the evaluation data does not have."""
    data = manifest.dataset("evaluation")
    sliced = {(*budget.route[:-1], budget.slice.name): budget for budget in budgets(manifest) if budget.slice}
    if not sliced:
        return []
    try:
        labels: tuple[str, ...] = plugin("tasks", manifest.task.name).labels(manifest.task.options, project)
        known = _identities(data, manifest, project, labels) if data else None
    except Failure:
        return []  # other rules say what is wrong with the task or the data
    classes = known if data and "class" in plugin("datasets", data.format).TRUTHS else None
    return [finding for budget in sliced.values() for finding in _one(budget, manifest.task.name, labels, known, classes)]


def _identities(data: Data, manifest: Manifest, project: Project, labels: Sequence[str]) -> Identities:
    """The id and truth of every evaluation sample."""
    found: Identities = (
        plugin("datasets", data.format).samples(data.options, project, manifest.inputs, labels).identities()
    )
    return found


def _one(
    budget: Budget, task: str, labels: Sequence[str], known: Identities | None, classes: Identities | None
) -> list[Diagnostic]:
    """What is wrong with one slice; ``classes`` are the ``known`` samples, None where no format of classes gives them."""
    assert budget.slice is not None
    route, name = budget.route[:-1], budget.slice.name
    if budget.sense != "max_flips" and getattr(plugin("metrics", budget.statistic), "RECORDINGS", False):
        message = f"{budget.statistic} is taken of whole recordings, which slices do not hold"
        return [Diagnostic(code="does-not-fit", message=message, where=at(*route), hint="leave the slices out")]
    if budget.slice.by == "folder":
        return _folder(str(name), route, [identity for identity, _ in known] if known is not None else None)
    if not labels:
        message = f"the task {task!r} has no labels, and so no classes to slice by"
        return [Diagnostic(code="does-not-fit", message=message, where=at(*route, "by"), hint="slice by folder")]
    if name is not None and name not in labels:
        return [_empty(f"the task has no class {name!r}", (*route, "classes"), name, labels, "labels")]
    if plugin("tasks", task).TRUTH != "class":
        message = f"a sample of the task {task!r} is of no one class that it could be sliced by"
        return [Diagnostic(code="does-not-fit", message=message, where=at(*route, "by"), hint="slice by folder")]
    truths = {truth for _, truth in classes or ()} - {None}
    if name is not None and truths and labels.index(name) not in truths:  # without truths another rule says what is wrong
        present = [label for index, label in enumerate(labels) if index in truths]
        message = f"no evaluation sample is of the class {name!r}"
        return [_empty(message, (*route, "classes"), name, present, "classes with samples")]
    return []


def _folder(name: str, route: tuple[str | int, ...], ids: Sequence[str] | None) -> list[Diagnostic]:
    if ids is None or any(within(name, identity) for identity in ids):
        return []
    there = folders(ids)
    if not there:
        message = "the evaluation data's samples lie in no folders"
        hint = "slice by class, or give the data as an image-folder, or a CSV file whose paths have folders"
        return [Diagnostic(code="does-not-fit", message=message, where=at(*route, "by"), hint=hint)]
    return [_empty(f"no evaluation sample lies below a folder {name!r}", (*route, "folders"), name, there, "folders")]


def _empty(
    message: str, route: tuple[str | int, ...], name: str, allowed: Sequence[str], what: str
) -> Diagnostic:
    near = nearest(name, allowed)
    listed = ", ".join(allowed[:20]) + (" …" if len(allowed) > 20 else "")
    hint = (f"did you mean {near!r}? " if near else "") + f"{what}: {listed}"
    if twin := lookalike(name, allowed):
        hint = f"{twin!r} only looks the same: it is in another Unicode normalisation; copy that one into the manifest"
    return Diagnostic(code="slice-empty", message=message, where=at(*route), hint=hint)
