"""Every data set must be there and fit the inputs and the labels, as far as that shows without decoding it."""

from __future__ import annotations

from edgec.artifacts.manifest import Data, Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import rooted
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return what each data set's format finds wrong."""
    labels = _labels(manifest, project)
    return [finding for data in manifest.data for finding in _one(data, manifest, project, labels)]


def _one(data: Data, manifest: Manifest, project: Project, labels: tuple[str, ...]) -> list[Diagnostic]:
    dataset = plugin("datasets", data.format)
    return rooted(("data", data.role), lambda: dataset.check(data.options, project, manifest.inputs, labels))


def _labels(manifest: Manifest, project: Project) -> tuple[str, ...]:
    """Return the task's labels, or none where they cannot be had: ``task_usable`` says why."""
    try:
        labels: tuple[str, ...] = plugin("tasks", manifest.task.name).labels(manifest.task.options, project)
    except Failure:
        return ()
    return labels
