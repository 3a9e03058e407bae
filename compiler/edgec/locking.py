"""Locks made, held against what is there, and held against what came out: the same inputs, and then the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, product
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.artifacts.plan import Plan, by_target
from edgec.artifacts.project import Project
from edgec.artifacts.settings import Settings
from edgec.built import artifact_of, built_record
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.stages.lock import drifted, locked_inputs, of_another_processor
from edgec.stages.plan import absent
from edgec.store.cache import Cache
from edgec.store.lockfile import SCHEMA, artifact_difference, drifts, read_lock

Work = tuple[Plan, Project]


def by_manifest(work: Sequence[Work]) -> list[list[Work]]:
    """Return the plans in groups, one a manifest, in order."""
    return [list(group) for _, group in groupby(work, key=lambda entry: entry[0].manifest)]


def lock_record(work: Sequence[Work], settings: Settings, cache: Cache, before: Json) -> Json:
    """Return the lock of one manifest: its inputs, and for each target what the build of exactly these made.

    ``before`` is the lock that is there, or None: what it holds of a target stays where its inputs are the same and no
    build of them is known here. Raises Failure of ``locked_inputs``.
    """
    plans, project = [plan for plan, _ in work], work[0][1]
    inputs = locked_inputs(_buildable(plans), project, cache)
    same = before is not None and not drifts(before["inputs"], inputs)
    targets = {}
    for group in by_target(work):
        candidates = [plan for plan, _ in group]
        name = candidates[0].target.name
        targets[name] = _artifact(candidates, settings, cache) or (before["targets"].get(name) if same else None)
    return {"schema": SCHEMA, "name": plans[0].name, "version": plans[0].version, "inputs": inputs, "targets": targets}


def refused(work: Sequence[Work], cache: Cache, narrowed: bool = False) -> tuple[list[Work], list[Diagnostic]]:
    """Return the plans of those manifests whose inputs are what was locked, and why the others are not built.

    ``narrowed`` says that the plans are not of all targets: what only the others need is then not asked for.
    """
    kept: list[Work] = []
    found: list[Diagnostic] = []
    for group in by_manifest(work):
        try:
            wrong = _wrong(group, cache, narrowed)
        except Failure as failure:
            wrong = failure.diagnostics
        found += wrong
        if not any(item.severity == "error" for item in wrong):
            kept += group
    return kept, found


def expected(plan: Plan) -> Json:
    """Return what the lock says of the plan's target: digests and a processor; None where it says nothing."""
    record = read_lock(Path(plan.manifest))
    return record["targets"].get(plan.target.name) if record else None


def refuse_other(plan: Plan, made: Json) -> None:
    """Raise Failure ``not-reproduced`` where what was made, or what there is of it yet, is not what was locked.

    ``made`` has the digests that a lock has: ``model``, ``bundle``, ``files`` and, once it is packed, ``tarball``.
    """
    locked = expected(plan)
    different = artifact_difference(locked, made) if locked else None
    if different is None:
        return
    message = f"{plan.target.name}: the same inputs gave another bundle: {different}"
    where, hint = Location(file=plan.manifest), of_another_processor(locked)
    raise Failure(Diagnostic(code="not-reproduced", message=message, where=where, hint=hint))


def _wrong(work: Sequence[Work], cache: Cache, narrowed: bool) -> tuple[Diagnostic, ...]:
    plans, project = [plan for plan, _ in work], work[0][1]
    plan, where = plans[0], Location(file=plans[0].manifest)
    locked = read_lock(Path(plan.manifest))
    if locked is None:
        message = f"--locked, and {plan.manifest} has no lock"
        return (Diagnostic(code="lock-missing", message=message, where=where, hint=f"edgec lock {plan.manifest}"),)
    if found := drifted(plan, locked, locked_inputs(_buildable(plans), project, cache), narrowed):
        return found
    bare = [name for name in dict.fromkeys(item.target.name for item in plans) if not locked["targets"].get(name)]
    message = f"the lock holds no artifact for {', '.join(bare)}: what is built is compared with nothing"
    hint = "build it, then run `edgec lock` again"
    return (Diagnostic(code="lock-incomplete", severity="warning", message=message, where=where, hint=hint),) if bare else ()


def _buildable(plans: Sequence[Plan]) -> list[Plan]:
    return [plan for plan in plans if not absent(plan)] or list(plans[:1])


def _artifact(plans: Sequence[Plan], settings: Settings, cache: Cache) -> Json:
    """What an earlier build of these made; --strict and --baseline change no byte of it."""
    for strict, baseline in product((settings.strict, not settings.strict), (False, True)):
        record = built_record(plans, replace(settings, strict=strict, baseline=baseline), cache)
        if record:
            return artifact_of(record)
    return None
