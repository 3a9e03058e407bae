"""Every data set must be there and fit the inputs and the labels, as far as that shows without decoding it."""

from __future__ import annotations

from edgec.artifacts.manifest import Data, Dimension, Manifest, truth_names
from edgec.artifacts.project import Project
from edgec.checks.places import at, rooted
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return what each data set's format finds wrong."""
    labels = _labels(manifest, project)
    found = [finding for data in manifest.data for finding in _one(data, manifest, project, labels)]
    return found + (_not_one_row(manifest) + _several_rows(manifest) if manifest.data else [])


def _not_one_row(manifest: Manifest) -> list[Diagnostic]:
    """Every format feeds one sample an inference: a first axis that cannot be 1 would be fed a shape it does not take."""
    return [
        Diagnostic(
            code="does-not-fit",
            message=f"the first axis of {entry.name!r} is {_span(entry.shape[0])}, and data is fed one sample at a time: 1",
            where=at("inputs", index, "shape", 0),
            hint="make it 1, or leave `data` out",
        )
        for index, entry in enumerate(manifest.inputs)
        if entry.shape and not entry.shape[0].minimum <= 1 <= entry.shape[0].maximum
    ]


def _several_rows(manifest: Manifest) -> list[Diagnostic]:
    """A task that decides a sample takes one row of scores: with several samples at once the model gives several."""
    if plugin("tasks", manifest.task.name).DECIDES != "sample":
        return []
    task, hint = manifest.task.name, "make it 1, or take the task `tensor`, which takes any output"
    return [
        Diagnostic(
            code="does-not-fit",
            message=f"the first axis of {entry.name!r} is {_span(entry.shape[0])}, and {task} decides one sample at a time: 1",
            where=at("inputs", index, "shape", 0),
            hint=hint,
        )
        for index, entry in enumerate(manifest.inputs[:1])  # another may be a side input, which gives no rows of its own
        if entry.shape and entry.shape[0].minimum <= 1 < entry.shape[0].maximum
    ]


def _span(axis: Dimension) -> str:
    return str(axis.maximum) if axis.fixed else f"{axis.minimum} to {axis.maximum}"


def _one(data: Data, manifest: Manifest, project: Project, labels: tuple[str, ...]) -> list[Diagnostic]:
    dataset = plugin("datasets", data.format)
    names = truth_names(manifest.task.options, data.role)
    return rooted(("data", data.role), lambda: dataset.check(data.options, project, manifest.inputs, labels, names))


def _labels(manifest: Manifest, project: Project) -> tuple[str, ...]:
    """Return the task's labels, or none where they cannot be had: ``task_usable`` says why."""
    try:
        labels: tuple[str, ...] = plugin("tasks", manifest.task.name).labels(manifest.task.options, project)
    except Failure:
        return ()
    return labels
