"""From a checked manifest to one Plan per target: every default filled in, every input file hashed, nothing of torch."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgec.artifacts.checked import Checked
from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Budget, Choice, Manifest, TargetChoice
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Location
from edgec.registry import plugin
from edgec.resources import PACKAGE
from edgec.runtime.host import cpu_name
from edgec.store import trust
from edgec.targets.table import TARGETS

LOWERING_PACKAGES = ("torch", "torchvision", "torchao", "executorch", "numpy", "pillow", "safetensors")


def plan(
    checked: Checked, *, allow_code: bool = False, policy: Path | None = None, only: Sequence[str] = ()
) -> tuple[Plan, ...]:
    """Return one Plan per target of a checked manifest, in its order; ``only`` keeps those targets by name.

    Raises Failure when an input file cannot be read or the trust policy is invalid.
    """
    manifest, project = checked.manifest, checked.project
    source = plugin("sources", manifest.model.name)
    labels = plugin("tasks", manifest.task.name).labels(manifest.task.options, project)
    files = _hashed(_input_files(manifest, project, source), project)
    entry = source.trust(manifest.model.options)
    digest = source.trust_digest(manifest.model.options, replace(project, files=files))
    trusted = entry is None or trust.allowed(entry, digest, policy or trust.default_policy(project), allow_code)
    common = Plan(
        name=manifest.name,
        version=manifest.version,
        description=manifest.description,
        manifest=checked.document.path,
        manifest_sha256=hashlib.sha256(checked.document.text.encode()).hexdigest(),
        folder=project.relative(project.folder),
        target=next(iter(TARGETS.values())),
        model=manifest.model,
        inputs=manifest.inputs,
        task=manifest.task,
        labels=labels,
        data=manifest.data,
        recipe=manifest.quantization,
        delegates=manifest.delegate,
        threads=1,
        budgets=manifest.budgets,
        files=files,
        allow_code=trusted,
        release="random" not in _weights(manifest.model),
        notes=(),
        lowering_key="",
    )
    return tuple(_for_target(common, manifest, choice) for choice in manifest.targets if not only or choice.name in only)


def untrusted(plan: Plan, project: Project, policy: Path | None) -> Diagnostic | None:
    """Return the error that refuses to run the plan's code, or None where nothing runs or a trust entry allows it."""
    if plan.allow_code:
        return None
    source = plugin("sources", plan.model.name)
    entry, digest = source.trust(plan.model.options), source.trust_digest(plan.model.options, project)
    refusal = trust.refusal(entry, digest, policy or trust.default_policy(project))
    return replace(refusal, where=Location(file=plan.manifest, route=("model",)))


def _for_target(common: Plan, manifest: Manifest, choice: TargetChoice) -> Plan:
    row = TARGETS[choice.base]
    target = replace(row, name=choice.name, cpu=choice.cpu or row.cpu, memory=choice.memory or row.memory)
    resolved = replace(
        common,
        target=target,
        recipe=choice.quantization or manifest.quantization,
        delegates=choice.delegate or manifest.delegate,
        threads=choice.threads or manifest.threads or row.threads,
        budgets=_merged(manifest.budgets, choice.budgets or ()),
    )
    return replace(resolved, notes=_notes(resolved, manifest), lowering_key=lowering_key(resolved))


def _merged(general: tuple[Budget, ...], own: tuple[Budget, ...]) -> tuple[Budget, ...]:
    """A target's budgets replace the manifest's of the same kind; the other kinds stay."""
    replaced = {budget.kind for budget in own}
    return tuple(budget for budget in general if budget.kind not in replaced) + own


def _weights(model: Choice) -> Mapping[str, Json]:
    weights = model.options.get("weights")
    return weights if isinstance(weights, dict) else {}


def _input_files(manifest: Manifest, project: Project, source: object) -> list[Path]:
    found: list[Path] = list(source.files(manifest.model.options, project))  # type: ignore[attr-defined]
    for data in manifest.data:
        found += plugin("datasets", data.format).files(data.options, project)
    return found


def _hashed(paths: list[Path], project: Project) -> dict[str, str]:
    """Return the sha256 of each file by its path in the root; text handling of paths, since a data set has thousands."""
    root = len(str(project.root)) + 1
    digests = {}
    for name in sorted({str(path) for path in paths}):
        with open(name, "rb") as handle:  # noqa: PTH123 (half the time of Path.read_bytes)
            digests[name[root:].replace(os.sep, "/")] = hashlib.sha256(handle.read()).hexdigest()
    return digests


def _notes(plan: Plan, manifest: Manifest) -> tuple[str, ...]:
    notes = []
    if not (manifest.threads or any(choice.threads for choice in manifest.targets if choice.name == plan.target.name)):
        notes.append(f"threads: {plan.threads}, the big cores of {plan.target.name} (set runtime.threads to change it)")
    precision = plugin("recipes", plan.recipe.name).PRECISION
    features = plan.target.features
    if plan.target.architecture == "aarch64" and precision == "fp16" and "asimdhp" not in features:
        notes.append(f"fp16 on {plan.target.cpu}: no fp16 arithmetic there, so a smaller file but no speed")
    if plan.target.architecture == "aarch64" and precision == "int8" and "asimddp" not in features:
        notes.append(f"int8 on {plan.target.cpu}: no dot-product instructions, so a smaller file but little speed")
    if not plan.release:
        notes.append("random weights: a trial build, marked not for release")
    return tuple(notes)


def lowering_key(plan: Plan) -> str:
    """Return the sha256 of everything the lowering job reads: plan fields, input files, edgec's source, package versions."""
    fields: dict[str, Json] = {
        "folder": plan.folder,
        "model": to_json(plan.model),
        "inputs": [to_json(item) for item in plan.inputs],
        "task": to_json(plan.task),
        "labels": list(plan.labels),
        "data": [to_json(item) for item in plan.data],
        "recipe": to_json(plan.recipe),
        "delegates": [to_json(item) for item in plan.delegates],
        "files": dict(plan.files),
        "edgec": source_digest(),
        "packages": _packages(plugin("sources", plan.model.name).RUNS_CODE),
        "platform": [platform.system(), cpu_name(), platform.python_version()],
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest()


@functools.cache
def source_digest() -> str:
    """Return the sha256 over edgec's own code and tables, names and contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".json", ".txt")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _packages(runs_code: bool) -> dict[str, str]:
    """Return the versions of what takes part in a lowering: every package installed, where the project's code may import it."""
    installed = _installed()
    if runs_code:
        return installed
    return {name: installed.get(name, "absent") for name in LOWERING_PACKAGES}


def _installed() -> dict[str, str]:
    """Return installed packages' versions from their folders' names (PEP 491); importlib.metadata takes 15 ms to import."""
    found: dict[str, str] = {}
    for place in filter(os.path.isdir, sys.path):
        with os.scandir(place) as entries:
            names = [entry.name.removesuffix(".dist-info") for entry in entries if entry.name.endswith(".dist-info")]
        for name, _, version in (text.partition("-") for text in names):
            found.setdefault(name.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))
