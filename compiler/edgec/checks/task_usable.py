"""The task's options must be usable: a labels file that is there, for one."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import rooted
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return what the task itself finds wrong."""
    task = plugin("tasks", manifest.task.name)
    return rooted(("task",), lambda: task.check(manifest.task.options, project))
