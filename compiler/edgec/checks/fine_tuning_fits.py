"""Fine-tuning by labels needs a task with classes, and training data that has them."""

from __future__ import annotations

from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.checks.candidates import Setting, settings
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import plugin

OTHERS = "take the loss mse, which learns the float32 model's outputs"


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each recipe whose loss the task, or the training data, cannot serve."""
    learning = [
        (setting, str(setting.recipe.options["loss"]))
        for setting in settings(manifest)
        if "training" in plugin("recipes", setting.recipe.name).NEEDS_DATA and "loss" in setting.recipe.options
    ]
    found = [finding for setting, loss in learning for finding in _one(manifest, setting, loss)]
    if any(loss == "cross-entropy" for _, loss in learning) and not found:
        found = _labels(manifest, project)
    return list(dict.fromkeys(found))


def _one(manifest: Manifest, setting: Setting, loss: str) -> list[Diagnostic]:
    task = plugin("tasks", manifest.task.name)
    learns_classes = loss == "cross-entropy" and task.DECIDES != "sample"
    if not learns_classes and not (loss == "distillation" and task.TRUTH not in ("", "class")):
        return []
    message = f"the loss {loss!r} is about classes, and the task {manifest.task.name!r} has none"
    return [Diagnostic(code="does-not-fit", message=message, where=at(*setting.recipe_route), hint=OTHERS)]


def _labels(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a finding where a training sample has no label; other rules say what else is wrong with the data."""
    data = manifest.dataset("training")
    if data is None:
        return []
    try:
        labels = plugin("tasks", manifest.task.name).labels(manifest.task.options, project)
        known = plugin("datasets", data.format).samples(data.options, project, manifest.inputs, labels).identities()
    except Failure:
        return []
    bare = [name for name, truth in known if truth is None]
    if not bare:
        return []
    message = f"cross-entropy learns labels, and {len(bare)} of {len(known)} training samples have none, first {bare[0]!r}"
    hint = "label them, or take the loss distillation, which learns the float32 model's answers"
    return [Diagnostic(code="needs-data", message=message, where=at("data", "training"), hint=hint)]
