"""A bundle that is there already: all that it was made from is what it was, and every byte lies where it should."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from edgec.artifacts.bundle import Written
from edgec.artifacts.document import Json
from edgec.artifacts.kept import figure_of, outcome_record, revived
from edgec.artifacts.outcome import Outcome
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.settings import Settings
from edgec.cores import shared
from edgec.diagnostics import Failure
from edgec.registry import bundle_kind
from edgec.runtime.host import cpu_name
from edgec.stages.inputs import bundle_parts, digest, fingerprints, lowering_parts
from edgec.stages.plan import absent, untrusted
from edgec.store.cache import Cache
from edgec.store.lockfile import artifact_difference, read_lock

if TYPE_CHECKING:
    from edgec.artifacts.lowered import Lowered
    from edgec.artifacts.measured import Figure

Work = tuple[Plan, Project]

BUILT, LAST = "built", "last"
FILE = "record.json"


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What is known of the last build of a target: its parts' fingerprints, its figures, how long its lowering took.

    ``seconds`` is 0 where no build on this cache lowered it. ``label`` is the candidate's.
    """

    time: str
    label: str
    lowering: Mapping[str, str]
    bundle: Mapping[str, str]
    figures: tuple[Figure, ...]
    seconds: float


def runner_identity(plan: Plan, backends: Sequence[str], kernels: Sequence[str], cache: Cache) -> str:
    """Return the key of the runner that a build would give the bundle, or of what would build its self-test here.

    Empty for a kind that has neither: the plan and the artifact make it. What it takes to know is imported only for it.
    """
    from edgec.runtime import identity

    kind = bundle_kind(plan.target.kind)
    if kind.RUNNER:
        return identity.runner_identity(plan.target, backends, kernels, cache)
    return identity.self_test_identity(cache) if kind.SELF_TEST else ""


def all_unchanged(
    groups: Sequence[Sequence[Work]], settings: Settings, cache: Cache, *, written: Sequence[Written | None] | None = None
) -> list[Outcome | None]:
    """Return ``unchanged`` for each target's group of plans, in order; the hashing is shared among the cores.

    The first goes ahead alone: what all of them ask of edgec's own files is found once. Of ``written``, one a group, are the
    bundles that this process has just written and read back.
    """

    def look(index: int) -> Outcome | None:
        group = groups[index]
        return unchanged([plan for plan, _ in group], group[0][1], settings, cache, written[index] if written else None)

    places = range(len(groups))
    return [*map(look, places[:1]), *shared(look, places[1:])]


def unchanged(
    plans: Sequence[Plan], project: Project, settings: Settings, cache: Cache, written: Written | None = None
) -> Outcome | None:
    """Return the outcome of the build that made the bundle on the disk, where building again would make the same one.

    That is: an earlier build of the same parts ended with exit code 0, this machine would give the bundle the same runner,
    and each file of bundle, tarball, measurements and report is hashed and is the one that was written. Nothing is clocked
    again. ``plans`` are one target's candidates; None where there is something to do. What was ``written`` just now is not
    hashed once more.
    """
    plan = plans[0]
    record = built_record(plans, settings, cache)
    if record is None:
        return None
    if any(absent(item) for item in plans) or untrusted(plan, project, settings.policy):
        return None
    from edgec.stages.write import placed

    try:
        runner = runner_identity(plan, record["backends"], record["kernels"], cache)
    except Failure:
        return None  # the build itself will say so
    if settings.locked and _other_than_locked(plan, record):
        return None
    if runner != record["runner"]:
        return None
    found = placed(plan, record["digests"], settings.out or project.root / "out", written)
    return revived(record["outcome"], plans, found, record["time"]) if found else None


def written_digests(group: Sequence[Work], settings: Settings, cache: Cache) -> list[tuple[Path, str]] | None:
    """Return the folder and the files of a target's bundle, which ``unchanged`` has found whole, with their digests.

    None where a collector has taken the record meanwhile.
    """
    from edgec.stages.write import places

    plan, project = group[0]
    record = built_record([item for item, _ in group], settings, cache)
    return places(plan, record["digests"], settings.out or project.root / "out") if record else None


def _other_than_locked(plan: Plan, record: Json) -> bool:
    """Whether the lock knows another artifact: building again then says which part differs."""
    lock = read_lock(Path(plan.manifest))
    locked = lock["targets"].get(plan.target.name) if lock else None
    return bool(locked and artifact_difference(locked, artifact_of(record)))


def artifact_of(record: Json) -> Json:
    """Return what a lock has of a target whose build left this ``built_record``, on this machine's type of processor."""
    return {
        "model": record["outcome"]["made"]["sha256"],
        "bundle": record["digests"]["bundle"],
        "tarball": record["digests"]["tarball"],
        "files": record["files"],
        "processor": cpu_name(),
    }


def built_record(plans: Sequence[Plan], settings: Settings, cache: Cache) -> Json:
    """Return what was kept of a build of exactly these parts that ended with exit code 0, or None."""
    for sustained in dict.fromkeys((True, settings.sustained)):  # what was clocked after a load stays
        key = digest(bundle_parts(plans, settings.strict, settings.baseline, sustained))
        if content := cache.peek(BUILT, key, FILE):
            return json.loads(content)
    return None


def keep(
    outcome: Outcome,
    lowered: Lowered,
    digests: Mapping[str, str],
    files: Mapping[str, str],
    plans: Sequence[Plan],
    settings: Settings,
    cache: Cache,
) -> None:
    """Keep what ``unchanged`` needs of a bundle that may be released; ``files`` are the sha256 of each of its files."""
    if outcome.exit_code:
        return
    record = {
        "time": _now(),
        "backends": list(lowered.backends),
        "kernels": list(lowered.kernels),
        "runner": runner_identity(outcome.plan, lowered.backends, lowered.kernels, cache),
        "digests": dict(digests),
        "files": dict(files),
        "outcome": outcome_record(outcome, plans),
    }
    key = digest(bundle_parts(plans, settings.strict, settings.baseline, settings.sustained))
    cache.keep(BUILT, key, FILE, json.dumps(record, sort_keys=True).encode())


def note_last(
    outcome: Outcome, seconds: float, plans: Sequence[Plan], project: Project, settings: Settings, cache: Cache
) -> None:
    """Keep what the next plan of this target is compared with; ``seconds`` is 0 where the lowering was in the cache."""
    from edgec.artifacts.codec import to_json

    plan, figures = outcome.plan, outcome.measured.figures if outcome.measured else ()
    before = last_build(plan, project, cache)
    lowering = fingerprints(lowering_parts(plan))
    if not seconds and before and before.lowering == lowering:
        seconds = before.seconds
    record = {
        "time": _now(),
        "label": plan.label,
        "lowering": lowering,
        "bundle": fingerprints(bundle_parts(plans, settings.strict, settings.baseline, settings.sustained)),
        "figures": [to_json(figure) for figure in figures],
        "seconds": seconds,
    }
    cache.keep(LAST, _goal_key(plan, project), FILE, json.dumps(record, sort_keys=True).encode())


def last_build(plan: Plan, project: Project, cache: Cache) -> Earlier | None:
    """Return what is known of the last build of the plan's target from the plan's manifest, or None."""
    content = cache.peek(LAST, _goal_key(plan, project), FILE)
    if content is None:
        return None
    record = json.loads(content)
    return Earlier(**{**record, "figures": tuple(figure_of(item) for item in record["figures"])})


def _goal_key(plan: Plan, project: Project) -> str:
    place = [str(project.root), plan.folder, PurePath(plan.manifest).name, plan.target.name]
    return hashlib.sha256(json.dumps(place).encode()).hexdigest()


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
