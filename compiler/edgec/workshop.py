"""The jobs of a build: each distinct lowering once, several at a time, while the runners compile; a Trial a plan comes out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgec import job, profiles
from edgec.artifacts.bundle import Runner
from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import written
from edgec.artifacts.plan import Plan, by_target
from edgec.artifacts.project import Project
from edgec.artifacts.search import Searched, Trial
from edgec.artifacts.settings import Settings
from edgec.artifacts.target import Target
from edgec.cores import cores
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import bundle_kind, plugin
from edgec.runtime.host import cpu_name
from edgec.runtime.runner import runner_for
from edgec.search import interleaved
from edgec.sharing import Sharing
from edgec.stages.plan import absent, untrusted
from edgec.store.cache import Cache
from edgec.store.unfinished import Unfinished

if TYPE_CHECKING:
    from edgec.cluster.submit import Cluster

Progress = Callable[[str], None]
Watch = Callable[[Plan, str], None]
Work = tuple[Plan, Project]

JOB_BYTES = 1 << 30
"""Memory that a lowering of a usual network takes, with the process that runs its artifact (docs/benchmarks.md)."""

MEMORY = Path("/proc/meminfo")


class Place(Protocol):
    """Where jobs run: in processes of this machine, or on a cluster."""

    def run(self, plan: Plan, project: Project, folder: Path, progress: Progress) -> Lowered:
        """Lower ``plan`` into ``folder``. Raises as ``job.run`` does."""

    def done(self, plan: Plan) -> None:
        """Take note that ``plan`` needs no job any more."""


def unwatched(plan: Plan, step: str) -> None:
    """Tell nobody."""


def _nothing() -> None:
    """Wait for nothing."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What every job needs. ``stop`` ends all jobs; ``begun`` is when each manifest's first job began (monotonic clock).

    ``watch`` is told which step a target has come to; ``quiet`` waits until nothing of this build is at work beside the
    caller, which is about to clock something; ``several`` manifests are built.
    """

    cache: Cache
    settings: Settings
    say: Progress
    stop: threading.Event
    watch: Watch = unwatched
    quiet: Callable[[], None] = _nothing
    several: bool = False
    begun: dict[str, float] = field(default_factory=dict)
    runners: dict[tuple[object, ...], Runner] = field(default_factory=dict)
    compiling: threading.Lock = field(default_factory=threading.Lock)

    def runner(
        self, target: Target, backends: Iterable[str], kernels: Iterable[str], stop: threading.Event | None = None
    ) -> Runner:
        """Return ``runner_for`` of the same; it is looked for, and its libraries hashed, once in a build."""
        backends, kernels = tuple(backends), tuple(kernels)
        key = (target.architecture, target.glibc, backends, kernels)
        with self.compiling:
            if key not in self.runners:
                self.runners[key] = runner_for(target, backends, kernels, self.cache, self.settings.offline, stop)
        return self.runners[key]

    def seconds(self, plan: Plan) -> float:
        """How long the plan's manifest has been at work: other manifests of the same build take nothing of its time."""
        now = time.monotonic()
        return now - self.begun.setdefault(plan.manifest, now)

    def over(self, plan: Plan) -> bool:
        """Whether the time of the plan's search is over."""
        limit = plan.search.time_limit if plan.search else None
        return self.seconds(plan) > (inf if limit is None else limit)

    def forget(self, searched: Searched | None) -> None:
        """Drop what was kept for going on with a search that has ended by itself: the next one clocks anew."""
        for trial in searched.trials if searched else ():
            if kept := unfinished(trial.plan, self.cache):
                kept.forget(("failure", "clocks"))


def lowered(work: Sequence[Work], shop: Workshop) -> tuple[Trial, ...]:
    """Lower every plan and return a Trial each, in order; when it returns, no job and no compiler runs any more.

    Plans with equal lowering keys share one job, jobs with the same model and data what they have in common; what one
    plan lacks, such as its kind of bundle, refuses it alone. An interrupt kills the jobs.
    """
    refused = [absent(plan) for plan, _ in work]
    possible = [entry for entry, refusal in zip(work, refused, strict=True) if not refusal]
    plans = [plan for plan, _ in possible]
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(_cluster(shop)) if shop.settings.scheduler else None
        count = workers(plans, shop.settings, cluster)
        lowering = stack.enter_context(ThreadPoolExecutor(count))
        # Sharing is closed before the threads end, which its processes die with; a cluster after them, which take jobs back.
        place: Place = cluster or stack.enter_context(Sharing(plans, count, shop.stop))
        compiling = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(shop.stop.set)
        jobs: dict[str, Future[Trial]] = {}
        runners: list[Future[None]] = []
        for plan, project in interleaved(by_target(possible)):
            if plan.allow_code:  # what is refused at once waits for no compiler
                runners.append(compiling.submit(_compile_ahead, plan, shop))
            if plan.lowering_key not in jobs:
                jobs[plan.lowering_key] = lowering.submit(_tried, plan, project, shop, place)
        wait(jobs.values())
        wait(runners)
        return tuple(
            Trial(plan=plan, diagnostics=(refusal,)) if refusal else replace(jobs[plan.lowering_key].result(), plan=plan)
            for (plan, _), refusal in zip(work, refused, strict=True)
        )


def _cluster(shop: Workshop) -> Cluster:
    """Connect to the scheduler that was asked for. Raises Failure."""
    from edgec.cluster.submit import Cluster

    settings = shop.settings
    assert settings.scheduler and settings.store
    return Cluster(settings.scheduler, settings.store, settings.job_memory, shop.say, shop.stop)


def workers(plans: Sequence[Plan], settings: Settings, cluster: Cluster | None = None) -> int:
    """Return how many jobs to run at once: as asked, else one; for a search one a core, as far as memory goes.

    On a cluster as many as its workers run.
    """
    if settings.jobs is not None:
        return settings.jobs
    if cluster is not None:
        return cluster.slots
    if not any(plan.search for plan in plans):
        return 1
    return max(1, min(cores(), _available() // JOB_BYTES))


def unfinished(plan: Plan, cache: Cache) -> Unfinished | None:
    """Return where a candidate's findings are kept until its search has ended; None for a plan without search."""
    if plan.search is None:
        return None
    parts = [plan.lowering_key, plan.target, plan.threads, plan.budgets, plan.search, cpu_name()]
    run = hashlib.sha256(json.dumps([to_json(part) for part in parts]).encode()).hexdigest()
    return Unfinished(cache=cache, run=run)


def diagnosed(plan: Plan, error: Exception) -> tuple[Diagnostic, ...]:
    """Return what an error in one plan's build is reported as; a bug in one stops none of the others.

    Raises the error itself where it is a bug and EDGEC_DEBUG is set.
    """
    if isinstance(error, Failure):
        return error.diagnostics
    if os.environ.get("EDGEC_DEBUG"):
        raise error
    lines = [line for line in str(error).splitlines() if line.strip()]
    told = f"{plan.target.name}: {type(error).__name__}: {lines[-1].strip() if lines else ''}"
    hint = "please report it; EDGEC_DEBUG=1 shows the traceback"
    return (Diagnostic(code="internal-error", message=told, hint=hint),)


def _tried(plan: Plan, project: Project, shop: Workshop, place: Place) -> Trial:
    """Lower one plan, or say why it was not; of a search, what an earlier, killed one found is taken up.

    Raises CancelledError once everything is to stop.
    """
    if shop.stop.is_set():
        raise CancelledError
    trial = Trial(plan=plan)
    kept = unfinished(plan, shop.cache)
    first = plan.manifest not in shop.begun
    shop.seconds(plan)  # its time begins
    try:
        if refusal := untrusted(plan, project, shop.settings.policy):
            raise Failure(refusal)
        with shop.cache.lock("lowered", plan.lowering_key, shop.stop):
            entry = shop.cache.read("lowered", plan.lowering_key)
            if entry is not None:
                shop.say(f"{_named(plan)}: the lowering is in the cache")
                return _finished(trial, entry, shop)
            if kept and (found := kept.kept("failure")):
                shop.say(f"{_named(plan)}: failed before, in the search that this one goes on with")
                raise Failure(*(from_json(Diagnostic, item) for item in found))
            shop.watch(plan, "lowering")
            if shop.over(plan) and not first:
                return replace(trial, untried="the time limit was reached before its turn")
            return _lowered(trial, project, shop, place)
    except Failure as failure:
        if kept and all(item.exit_code == 4 and item.code != "job-died" for item in failure.diagnostics):
            kept.keep("failure", [to_json(item) for item in failure.diagnostics])
        return replace(trial, diagnostics=failure.diagnostics)
    except Exception as error:
        return replace(trial, diagnostics=diagnosed(plan, error))
    finally:
        place.done(plan)


def _lowered(trial: Trial, project: Project, shop: Workshop, place: Place) -> Trial:
    plan, start = trial.plan, time.monotonic()
    name = _named(plan)
    if plan.search:
        shop.say(f"{name}: lowering")
    with tempfile.TemporaryDirectory(prefix="edgec-job-") as folder:
        several = plan.search or shop.settings.scheduler or shop.several

        def say(line: str) -> None:
            shop.say(f"{name}: {line}" if several else line)
            shop.watch(plan, line)

        place.run(plan, project, Path(folder), say)
        entry = shop.cache.write("lowered", plan.lowering_key, Path(folder))
    done = _finished(replace(trial, seconds=time.monotonic() - start), entry, shop)
    if plan.search and done.lowered:
        shop.say(f"{name}: lowered, {written(done.lowered.pte_bytes, 'bytes')}, in {done.seconds:.1f} s")
    return done


def _finished(trial: Trial, entry: Path, shop: Workshop) -> Trial:
    done = job.read_lowered(entry)
    if done.profile:
        profiles.keep(trial.plan, done.profile, shop.cache)
    return replace(trial, lowered=done, folder=entry)


def _named(plan: Plan) -> str:
    return plan.label if plan.search else plan.name


def _compile_ahead(plan: Plan, shop: Workshop) -> None:
    """Build the runner that the plan most likely needs; a Failure here comes again, and is reported, when it is used."""
    if not bundle_kind(plan.target.kind).RUNNER:
        return
    backends = [name for choice in plan.delegates for name in plugin("delegates", choice.name).BACKENDS]
    with contextlib.suppress(Failure):
        if not shop.stop.is_set():
            shop.runner(plan.target, backends, (), shop.stop)


def _available() -> int:
    """Bytes of memory that a new process may take, as Linux estimates it; plenty where it does not say."""
    lines = MEMORY.read_text().splitlines() if MEMORY.is_file() else []
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return int(found.split()[1]) * 1024 if found else 1 << 40
