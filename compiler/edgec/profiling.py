"""What a job counts of a model: load → export in float32 → count, for `edgec plan --profile` and beside every lowering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgec.artifacts.manifest import Choice
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.project import Project
from edgec.stages.load import Loaded, load, refuse_changed
from edgec.stages.profile import profile
from edgec.stages.quantize import export
from edgec.stages.resolve import multiply_accumulates


def profiling(plan: Plan, project: Project) -> Profile:
    """Load and export ``plan``'s model in float32, and return what it computes. Raises Failure as these steps do."""
    project = replace(project, files=plan.files)
    loaded = load(plan, project)
    plain = replace(plan, recipe=Choice(name="fp32"))
    program = export(plain, loaded.model, loaded.example, loaded.dynamic, project.root)
    refuse_changed(project)
    return counts(plan, loaded, program)


def counts(plan: Plan, loaded: Loaded, program: Any) -> Profile:
    """Return the Profile of a loaded model and its exported graph."""
    return profile(program, multiply_accumulates(loaded.model, loaded.example), loaded.parameters, plan.inputs)
