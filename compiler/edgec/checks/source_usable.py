"""The model's source must be usable, as far as that can be known without torch."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import rooted
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return what the source itself finds wrong: an unknown architecture or weights, a missing file …"""
    source = plugin("sources", manifest.model.name)
    return rooted(("model",), lambda: source.check(manifest.model.options, project))
