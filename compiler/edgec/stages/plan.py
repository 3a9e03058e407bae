"""From a checked manifest to a Plan per target and candidate: defaults filled in, input files hashed, nothing of torch."""

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
from typing import Any

from edgec.artifacts.checked import Checked
from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Budget, Choice, Manifest
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.slices import spelled_out
from edgec.artifacts.target import Target
from edgec.checks.candidates import Setting, settings
from edgec.diagnostics import Diagnostic, Location
from edgec.registry import plugin
from edgec.resources import PACKAGE
from edgec.runtime.extras import distribution
from edgec.runtime.host import cpu_name
from edgec.store import trust
from edgec.targets.devices import device
from edgec.targets.table import TARGETS

LOWERING_PACKAGES = ("torch", "torchvision", "torchao", "executorch", "numpy", "pillow", "safetensors")


def plan(
    checked: Checked, *, allow_code: bool = False, policy: Path | None = None, only: Sequence[str] = ()
) -> tuple[Plan, ...]:
    """Return one Plan per target of a checked manifest, in its order; where it has a search, one per candidate for each.

    ``only`` keeps those targets by name.

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
        target_files=_hashed([project.root / name for choice in manifest.targets for name in choice.files], project),
    )
    chosen = (setting for setting in settings(manifest) if not only or setting.target.name in only)
    return tuple(_resolved(common, manifest, setting) for setting in chosen)


def untrusted(plan: Plan, project: Project, policy: Path | None) -> Diagnostic | None:
    """Return the error that refuses to run the plan's code, or None where nothing runs or a trust entry allows it."""
    if plan.allow_code:
        return None
    source = plugin("sources", plan.model.name)
    entry, digest = source.trust(plan.model.options), source.trust_digest(plan.model.options, project)
    refusal = trust.refusal(entry, digest, policy or trust.default_policy(project))
    return replace(refusal, where=Location(file=plan.manifest, route=("model",)))


def absent(plan: Plan) -> Diagnostic | None:
    """Return the error that the plan's source or a delegate cannot be had here, or None; imports none."""
    choices = [("sources", plan.model), *(("delegates", choice) for choice in plan.delegates)]
    for kind, choice in choices:
        if lacking := plugin(kind, choice.name).missing():  # type: ignore[arg-type]
            what = f"the {kind.removesuffix('s')} {choice.name!r} cannot be used here: {lacking}"
            where = Location(file=plan.manifest, route=("model", "source") if kind == "sources" else ("delegate",))
            return Diagnostic(code="tool-missing", message=what, where=where)
    return None


def _resolved(common: Plan, manifest: Manifest, setting: Setting) -> Plan:
    choice = setting.target
    row = device(choice)
    assert row is not None, "a rule has refused unknown bases and CPUs"
    target = replace(row, features=(*row.features, *_asked_of_cpu(setting.delegates, row)))
    resolved = replace(
        common,
        target=target,
        recipe=setting.recipe,
        delegates=_settled(setting.delegates, target),
        threads=choice.threads or manifest.threads or target.threads,
        budgets=spelled_out(_merged(manifest.budgets, choice.budgets or ()), common.labels),
        search=manifest.search if setting.searched else None,
        target_files={name: common.target_files[name] for name in choice.files},
    )
    return replace(resolved, notes=_notes(resolved, manifest), lowering_key=lowering_key(resolved))


def _settled(choices: tuple[Choice, ...], target: Target) -> tuple[Choice, ...]:
    """The delegates with what the target decides of their options."""
    return tuple(
        replace(choice, options=plugin("delegates", choice.name).settled(choice.options, target)) for choice in choices
    )


def _asked_of_cpu(choices: tuple[Choice, ...], target: Target) -> tuple[str, ...]:
    """What the delegates ask of the processor beyond the target's own features, so that a bundle's verify.sh asks it too."""
    asked = (plugin("delegates", choice.name).CPU_FEATURES.get(target.architecture, ()) for choice in choices)
    return tuple(dict.fromkeys(name for names in asked for name in names if name not in target.features))


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
    wanted = plugin("recipes", plan.recipe.name).FEATURES.get(plan.target.architecture, {})
    for feature, words in wanted.items():
        if feature not in plan.target.features:
            notes.append(f"{plan.recipe.name} on {plan.target.cpu}: no {words} there, so a smaller file but little speed")
    if not plan.release:
        notes.append("random weights: a trial build, marked not for release")
    return tuple(notes)


def lowering_key(plan: Plan) -> str:
    """Return the sha256 of everything the lowering job reads: plan fields, input files, edgec's source, package versions."""
    return _digest({
        **_model_fields(plan),
        "recipe": to_json(plan.recipe),
        "delegates": [to_json(item) for item in plan.delegates],
        "delegate packages": _delegate_packages(plan),
        # What the recipe auto looks at beside the model.
        "hardware": [plan.target.architecture, *plan.target.features] if plan.recipe.name == "auto" else [],
        "accuracy": _limits(plan) if plan.budgets_decide else [],
    })  # fmt: skip


def reference_key(plan: Plan) -> str:
    """Return the sha256 of all that eager's answers to the data depend on: what a lowering reads, less recipe and delegates."""
    return _digest(_model_fields(plan))


def _model_fields(plan: Plan) -> dict[str, Json]:
    return {
        "folder": plan.folder,
        "model": to_json(plan.model),
        "inputs": [to_json(item) for item in plan.inputs],
        "task": to_json(plan.task),
        "labels": list(plan.labels),
        "data": [to_json(item) for item in plan.data],
        "files": dict(plan.files),
        **conditions(plan),
    }


def conditions(plan: Plan) -> dict[str, Json]:
    """Return what a lowering depends on beside its plan and files, and where it may run: edgec's code, packages, platform."""
    return {
        "edgec": source_digest(),
        "packages": _packages(plugin("sources", plan.model.name)),
        "platform": [platform.system(), cpu_name(), platform.python_version()],
    }


def _digest(fields: dict[str, Json]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _limits(plan: Plan) -> list[Json]:
    """The accuracy budgets without their places in the manifest, which change nothing."""
    asked = [budget for budget in plan.budgets if budget.kind == "accuracy"]
    return [to_json(replace(budget, route=(), text="")) for budget in asked]


@functools.cache
def source_digest() -> str:
    """Return the sha256 over edgec's own code and tables, names and contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".json", ".txt")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _packages(source: Any) -> dict[str, str]:
    """Return the versions of what takes part in a lowering: every package installed, where the project's code may import it."""
    installed = _installed()
    if source.RUNS_CODE:
        return installed
    return {name: installed.get(name, "absent") for name in (*LOWERING_PACKAGES, *source.NEEDS)}


def _delegate_packages(plan: Plan) -> dict[str, str]:
    needs = {name for choice in plan.delegates for name in plugin("delegates", choice.name).NEEDS}
    installed = _installed()
    return {name: installed.get(name, "absent") for name in sorted(map(distribution, needs))}


def _installed() -> dict[str, str]:
    """Return installed packages' versions from their folders' names (PEP 491); importlib.metadata takes 15 ms to import."""
    found: dict[str, str] = {}
    for place in filter(os.path.isdir, sys.path):
        with os.scandir(place) as entries:
            names = [entry.name.removesuffix(".dist-info") for entry in entries if entry.name.endswith(".dist-info")]
        for name, _, version in (text.partition("-") for text in names):
            found.setdefault(name.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))
