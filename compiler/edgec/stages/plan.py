"""From a checked manifest to a Plan per target and candidate: defaults filled in, input files hashed, nothing of torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgec import reads
from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Json, Route
from edgec.artifacts.manifest import Budget, Choice, Manifest
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.slices import spelled_out
from edgec.artifacts.target import Target
from edgec.checks.candidates import Setting, settings, without_runtime
from edgec.diagnostics import Diagnostic, Location
from edgec.registry import Kind, plugin
from edgec.runtime.from_source import FROM_SOURCE
from edgec.stages.inputs import digest, lowering_parts, reference_parts
from edgec.store import trust
from edgec.targets.devices import device
from edgec.targets.table import TARGETS


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is looked at once for all manifests that are planned at one time: each data set's files, each file's sha256, and
    the digests of each set of files, which hundreds of manifests may share (by the length of the root, and the paths).
    """

    listings: dict[str, list[Path]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    sets: dict[tuple[int, tuple[str, ...]], dict[str, str]] = field(default_factory=dict)


def plan(
    checked: Checked,
    *,
    allow_code: bool = False,
    policy: Path | None = None,
    only: Sequence[str] = (),
    seen: Seen | None = None,
) -> tuple[Plan, ...]:
    """Return one Plan per target of a checked manifest, in its order; where it has a search, one per candidate for each.

    ``only`` keeps those targets by name. ``seen`` is shared by manifests that are planned at one time.

    Raises Failure when an input file cannot be read or the trust policy is invalid.
    """
    manifest, project = checked.manifest, checked.project
    source = plugin("sources", manifest.model.name)
    labels = plugin("tasks", manifest.task.name).labels(manifest.task.options, project)
    seen = seen or Seen()
    files = _hashed(_input_files(manifest, project, source, seen), project, seen)
    entry = source.trust(manifest.model.options)
    code = source.trust_digest(manifest.model.options, replace(project, files=files))
    trusted = entry is None or trust.allowed(entry, code, policy or trust.default_policy(project), allow_code)
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
        target_files=_hashed([project.root / name for choice in manifest.targets for name in choice.files], project, seen),
    )
    chosen = (setting for setting in settings(manifest) if not only or setting.target.name in only)
    return tuple(_resolved(common, manifest, setting) for setting in chosen)


def untrusted(plan: Plan, project: Project, policy: Path | None) -> Diagnostic | None:
    """Return the error that refuses to run the plan's code, or None where nothing runs or a trust entry allows it."""
    if plan.allow_code:
        return None
    source = plugin("sources", plan.model.name)
    entry, code = source.trust(plan.model.options), source.trust_digest(plan.model.options, project)
    refusal = trust.refusal(entry, code, policy or trust.default_policy(project))
    return replace(refusal, where=Location(file=plan.manifest, route=("model",)))


def absent(plan: Plan) -> Diagnostic | None:
    """Return the error that the plan's source, a delegate or a metric cannot be had here, or None; imports none."""
    delegates = [choice.name for choice in plan.delegates]
    needed: list[tuple[Kind, str, Route]] = [("sources", plan.model.name, ("model", "source"))]
    needed += [("delegates", name, plan.delegates_route) for name in delegates]
    needed += [("metrics", name, ("budgets", "accuracy") if asked else ("task",)) for name, asked in _metrics(plan).items()]
    for kind, name, route in needed:
        module = plugin(kind, name)
        if lacking := module.missing() if hasattr(module, "missing") else None:
            what = f"the {kind.removesuffix('s')} {name!r} cannot be used here: {lacking}"
            return Diagnostic(code="tool-missing", message=what, where=Location(file=plan.manifest, route=route))
    return None


def _metrics(plan: Plan) -> dict[str, bool]:
    """The metrics that a build measures, and whether a budget asks for them."""
    if plan.dataset("evaluation") is None:
        return {}
    usual = plugin("tasks", plan.task.name).METRICS[:1]
    return dict.fromkeys(usual, False) | {budget.statistic: True for budget in plan.budgets if budget.kind == "accuracy"}


def _resolved(common: Plan, manifest: Manifest, setting: Setting) -> Plan:
    choice = setting.target
    row = device(choice)
    assert row is not None, "a rule has refused unknown bases and CPUs"
    target = replace(row, needs=_needs(setting.delegates, row), kind=_kind(setting.delegates, row))
    delegates = _settled(setting.delegates, target)
    resolved = replace(
        common,
        target=_accelerated(delegates, target),
        recipe=setting.recipe,
        delegates=delegates,
        threads=choice.threads or manifest.threads or target.threads,
        budgets=spelled_out(_merged(manifest.budgets, choice.budgets or ()), common.labels),
        search=manifest.search if setting.searched else None,
        recipe_route=setting.recipe_route,
        delegates_route=setting.delegates_route,
        target_files={name: common.target_files[name] for name in choice.files},
    )
    return replace(resolved, notes=_notes(resolved, manifest), lowering_key=lowering_key(resolved))


def _kind(choices: tuple[Choice, ...], row: Target) -> str:
    """The row's kind of bundle; on Linux another one where no package has the runtime of a delegate."""
    absent = without_runtime(choices, row)
    if not absent:
        return row.kind
    return "linux-source" if set(absent) <= set(FROM_SOURCE) else "reference"


def _settled(choices: tuple[Choice, ...], target: Target) -> tuple[Choice, ...]:
    """The delegates with what the target decides of their options."""
    return tuple(
        replace(choice, options=plugin("delegates", choice.name).settled(choice.options, target)) for choice in choices
    )


def _accelerated(delegates: tuple[Choice, ...], target: Target) -> Target:
    """The target with the accelerator that a delegate compiles for, and its speed; where none does, its speed is idle."""
    for choice in delegates:
        module = plugin("delegates", choice.name)
        if hasattr(module, "accelerator"):
            name, macs = module.accelerator(choice.options)
            return replace(target, accelerator=name, accelerator_macs=macs)
    return replace(target, accelerator_macs={})


def _needs(choices: tuple[Choice, ...], target: Target) -> tuple[str, ...]:
    """What the delegates cannot do without on the target's architecture, so that a bundle's verify.sh asks for it."""
    asked = (plugin("delegates", choice.name).CPU_FEATURES.get(target.architecture, ()) for choice in choices)
    return tuple(dict.fromkeys(name for names in asked for name in names))


def _merged(general: tuple[Budget, ...], own: tuple[Budget, ...]) -> tuple[Budget, ...]:
    """A target's budgets replace the manifest's of the same kind; the other kinds stay."""
    replaced = {budget.kind for budget in own}
    return tuple(budget for budget in general if budget.kind not in replaced) + own


def _weights(model: Choice) -> Mapping[str, Json]:
    weights = model.options.get("weights")
    return weights if isinstance(weights, dict) else {}


def _input_files(manifest: Manifest, project: Project, source: object, seen: Seen) -> list[Path]:
    found: list[Path] = list(source.files(manifest.model.options, project))  # type: ignore[attr-defined]
    for data in manifest.data:
        key = json.dumps([data.format, data.options, str(project.folder), str(project.root)], sort_keys=True)
        if key not in seen.listings:
            seen.listings[key] = plugin("datasets", data.format).files(data.options, project)
        found += seen.listings[key]
    return found


def _hashed(paths: list[Path], project: Project, seen: Seen) -> dict[str, str]:
    """Return the sha256 of each file by its path in the root; text handling of paths, since a data set has thousands."""
    root = len(str(project.root)) + 1
    names = tuple(sorted({str(path) for path in paths}))
    if (root, names) in seen.sets:
        return seen.sets[root, names]
    digests = {}
    for name in names:
        if name not in seen.digests:
            seen.digests[name] = reads.sha256(name).hexdigest()
        digests[name[root:].replace(os.sep, "/")] = seen.digests[name]
    seen.sets[root, names] = digests
    return digests


def _notes(plan: Plan, manifest: Manifest) -> tuple[str, ...]:
    notes = []
    asked = manifest.threads or any(choice.threads for choice in manifest.targets if choice.name == plan.target.name)
    if plan.target.kind == "apple":
        given = f"threads: {plan.threads} changes nothing on {plan.target.name}" if asked else "threads: the runtime chooses"
        notes.append(f"{given}; ExecuTorch's Swift API takes no number of them")
    elif not asked:
        notes.append(f"threads: {plan.threads}, the big cores of {plan.target.name} (set runtime.threads to change it)")
    choice = next((choice for choice in manifest.targets if choice.name == plan.target.name), None)
    if choice and TARGETS[choice.base].clock and not plan.target.clock:
        notes.append(f"clock: not known of {plan.target.cpu}, another CPU than {choice.base}'s (a bound takes one)")
    wanted = plugin("recipes", plan.recipe.name).FEATURES.get(plan.target.architecture, {})
    for feature, words in wanted.items():
        if feature not in plan.target.features:
            notes.append(f"{plan.recipe.name} on {plan.target.cpu}: no {words} there, so a smaller file but little speed")
    if plan.target.kind in ("linux-source", "reference"):
        names = " and ".join(without_runtime(plan.delegates, plan.target))
        what = "the artifact alone, as a reference" if plan.target.kind == "reference" else "the sources of its runner"
        notes.append(f"bundle: {what}, for no package has ExecuTorch's runtime of {names} for Linux")
    if not plan.release:
        notes.append("random weights: a trial build, marked not for release")
    return tuple(notes)


def lowering_key(plan: Plan) -> str:
    """Return the sha256 of everything the lowering job reads."""
    return digest(lowering_parts(plan))


def reference_key(plan: Plan) -> str:
    """Return the sha256 of all that eager's answers to the data depend on: what a lowering reads, less recipe and delegates."""
    return digest(reference_parts(plan))
