"""What a manifest's lock holds: every input of its targets by digest or version, and the artifacts that came of them."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import PurePath

import edgec
from edgec.artifacts.document import Json
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Location
from edgec.registry import bundle_kind, plugin
from edgec.runtime.host import cpu_name
from edgec.runtime.identity import known_toolchain
from edgec.runtime.packs import pinned_sha256
from edgec.stages.inputs import bundle_parts, lowering_parts
from edgec.store.cache import Cache
from edgec.store.lockfile import Drift, artifact_difference, drifts
from edgec.versions import source_digest, templates_digest

TOLD = 12
"""So many drifts of one manifest are told one by one, and the rest counted."""
HINT = "put it back, or accept it with `edgec lock`"
PACKAGE = "package "
PER_TARGET = ("targets", "packages", "runtime")
"""The parts of the inputs that are gathered from all targets; the others are the same for each."""


def locked_inputs(plans: Sequence[Plan], project: Project, cache: Cache) -> dict[str, Json]:
    """Return the inputs of all plans of one manifest, as its lock has them.

    Weights that the source names without their whole sha256 are fetched, unless they are in the cache. Raises Failure
    ``offline``, ``download-failed``, ``digest-mismatch``, ``tool-missing`` or ``runtime-pack-missing``.
    """
    plan = plans[0]
    source = plugin("sources", plan.model.name)
    of_model = {project.relative(path) for path in source.files(plan.model.options, project)}
    files = {posixpath.relpath(name, plan.folder): (name in of_model, digest) for name, digest in plan.files.items()}
    entry = source.trust(plan.model.options)
    return {
        "manifest": {PurePath(plan.manifest).name: plan.manifest_sha256},
        "weights": source.weights_digest(plan.model.options, project) or None,
        "code": {entry: source.trust_digest(plan.model.options, project)} if entry else None,
        "model": {name: digest for name, (mine, digest) in files.items() if mine},
        "data": {name: digest for name, (mine, digest) in files.items() if not mine},
        "targets": {posixpath.relpath(name, plan.folder): found for item in plans for name, found in item.target_files.items()},
        "packages": _packages(plans),
        "edgec": {"version": edgec.__version__, "code": source_digest(), "templates": templates_digest()},
        "runtime": _runtime(plans, cache),
    }


def drifted(plan: Plan, locked: Json, found: Json, narrowed: bool = False) -> tuple[Diagnostic, ...]:
    """Return an error for each input that is not what was locked, at the manifest of ``plan``.

    Where only some of its targets were asked for (``narrowed``), what only the others need is not missed in ``found``.
    """
    before = _needed(locked["inputs"], found) if narrowed else locked["inputs"]
    different = drifts(before, found)
    told = [_drift(plan, item) for item in different[:TOLD]]
    if len(different) > TOLD:
        message = f"{len(different) - TOLD} more inputs are not what was locked"
        told.append(Diagnostic(code="lock-drift", message=message, where=Location(file=plan.manifest)))
    return tuple(told)


def restated(plan: Plan, before: Json, record: Json) -> tuple[Diagnostic, ...]:
    """Return an error for all else that a lock, whose inputs are those of ``record``, would have otherwise today.

    A target that the lock has no artifact of yet (null) counts for nothing: it may have been built since.
    """
    apart = ("inputs", "targets")
    top = drifts(*({key: item for key, item in lock.items() if key not in apart} for lock in (before, record)))
    told = [_drift(plan, item) for item in top]
    locked, found = before["targets"], record["targets"]
    for name in dict.fromkeys((*locked, *found)):
        if name not in locked or name not in found:
            message = f"the target {name} is {'new' if name in found else 'gone, and was locked'}"
            told.append(Diagnostic(code="lock-drift", message=message, where=Location(file=plan.manifest), hint=HINT))
        elif locked[name] and (different := _difference(locked[name], found[name])):
            message = f"{name}: the lock is of another bundle than was built from the same inputs: {different}"
            hint = of_another_processor(locked[name]) or HINT
            told.append(Diagnostic(code="lock-drift", message=message, where=Location(file=plan.manifest), hint=hint))
    return tuple(told)


def of_another_processor(locked: Json) -> str | None:
    """Return the hint that a target's artifact was locked on another type of processor than this machine's, or None."""
    if locked["processor"] == cpu_name():
        return None
    return f"it was locked on another processor ({locked['processor']}), and the same bytes are promised on one type only"


def _difference(locked: Json, found: Json) -> str | None:
    if told := artifact_difference(locked, found):
        return told
    others = (item for item in drifts(locked, found) if item.name != "processor")  # equal bytes are so wherever they were made
    return next((f"{item.name} is {item.found}, and was {item.locked}" for item in others), None)


def _needed(locked: Json, found: Json) -> Json:
    """The locked inputs without what none of the targets needs that ``found`` is of.

    Where code runs, every installed package takes part, whatever the target.
    """
    parts = [key for key in PER_TARGET if key != "packages" or not locked.get("code")]
    own = {key: locked[key] for key in parts if isinstance(locked.get(key), dict)}
    return {**locked, **{key: {name: item for name, item in part.items() if name in found[key]} for key, part in own.items()}}


def _drift(plan: Plan, drift: Drift) -> Diagnostic:
    if drift.found is None:
        message = f"{drift.name} is gone, and was locked as {drift.locked}"
    elif drift.locked is None:
        message = f"{drift.name} is new: {drift.found}"
    else:
        message = f"{drift.name} is {drift.found}, and was locked as {drift.locked}"
    return Diagnostic(code="lock-drift", message=message, where=Location(file=plan.manifest), hint=HINT)


def _packages(plans: Sequence[Plan]) -> dict[str, Json]:
    """Return the versions of what takes part for any target; which packages a lowering needs depends on its delegates."""
    differing = {tuple(choice.name for choice in plan.delegates): plan for plan in reversed(plans)}.values()
    parts = bundle_parts(plans[:1], False, False)
    for plan in differing:
        parts |= lowering_parts(plan)
    named = {name.removeprefix(PACKAGE): part for name, part in parts.items() if name.startswith(PACKAGE)}
    return {**named, "python": parts["python"], "zlib": parts["zlib"]}


def _runtime(plans: Sequence[Plan], cache: Cache) -> dict[str, Json]:
    """Return, by architecture and C library, the pinned runtime pack and what the runner is compiled with."""
    shipping = [plan for plan in plans if bundle_kind(plan.target.kind).RUNNER]
    floors = {(plan.target.architecture, plan.target.glibc) for plan in shipping}
    return {
        f"{architecture} glibc {glibc}": {
            "executorch": pinned_sha256(architecture),
            **known_toolchain(architecture, glibc, cache).identity,
        }
        for architecture, glibc in sorted(floors)
    }
