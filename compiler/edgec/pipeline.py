"""The table of contents: read → shape → parse → check → plan → lower (a job) → measure → judge → render → write."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Document
from edgec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:  # what only `build` needs is imported there: `validate` answers at once
    import threading
    from concurrent.futures import Future

    from edgec.artifacts.lowered import Lowered
    from edgec.artifacts.outcome import Outcome
    from edgec.artifacts.plan import Plan
    from edgec.artifacts.project import Project
    from edgec.artifacts.settings import Settings
    from edgec.store.cache import Cache

    Work = tuple[Plan, Project]
    Lowering = Future[tuple[Lowered, Path]]

Progress = Callable[[str], None]


def front(path: Path, root: Path | None = None, *, offline: bool = False) -> Checked:
    """Carry one manifest through read → shape → parse → check; it is named in messages as ``path`` is written.

    Raises Failure with everything that its first failing stage found; the failure's ``documents`` hold the text.
    """
    from edgec.stages.check import check
    from edgec.stages.discover import project_of
    from edgec.stages.parse import parse
    from edgec.stages.read import read
    from edgec.stages.shape import shape

    document = read(path, str(path))
    project = project_of(path, root, offline=offline)
    shape(document)
    manifest = parse(document)
    return Checked(document=document, manifest=manifest, project=project, warnings=check(manifest, document, project))


def fronts(
    paths: Sequence[Path], root: Path | None = None, *, offline: bool = False
) -> tuple[list[Checked], list[Diagnostic], dict[str, Document]]:
    """Carry every manifest among ``paths`` through ``front``: those that pass, all diagnostics, and the texts they are in.

    Raises Failure ``no-manifest`` when a path holds none.
    """
    from edgec.stages.discover import discover, named_twice

    files, diagnostics = discover(paths)
    passed: list[Checked] = []
    documents: dict[str, Document] = {}
    for path in files:
        try:
            checked = front(path, root, offline=offline)
        except Failure as failure:
            diagnostics += failure.diagnostics
            documents |= failure.documents
        else:
            passed.append(checked)
            diagnostics += checked.warnings
            documents[checked.document.path] = checked.document
    unique, twice = named_twice(passed)
    return unique, diagnostics + twice, documents


def planned(passed: Sequence[Checked], settings: Settings) -> tuple[list[Work], list[Diagnostic]]:
    """Expand checked manifests into one Plan per target, with its project; what fails while hashing becomes diagnostics."""
    from edgec.stages.plan import plan

    work: list[Work] = []
    failed: list[Diagnostic] = []
    for checked in passed:
        try:
            plans = plan(checked, allow_code=settings.allow_code, policy=settings.policy, only=settings.targets)
        except Failure as failure:
            failed += failure.diagnostics
        else:
            work += [(item, checked.project) for item in plans]
    return work, failed


def build(work: Sequence[Work], settings: Settings, say: Progress) -> tuple[Outcome, ...]:
    """Build every plan and return one Outcome each, in order; one that fails stops none of the others.

    Plans with equal lowering keys share one job; runners compile while jobs lower. Nothing is clocked before all of
    that is done, so that figures are not those of a busy machine. An interrupt kills the jobs.
    """
    import tempfile
    import threading
    from concurrent.futures import ThreadPoolExecutor, wait

    from edgec.store.cache import Cache

    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgec-"))
        cache = Cache(folder=settings.cache or Path(scratch))
        lowering = stack.enter_context(ThreadPoolExecutor(settings.jobs))
        compiling = stack.enter_context(ThreadPoolExecutor(1))
        stop = threading.Event()
        stack.callback(stop.set)
        jobs: dict[str, Lowering] = {}
        runners: list[Future[None]] = []
        for plan, project in work:
            runners.append(compiling.submit(_compile_ahead, plan, cache, settings, stop))
            if plan.lowering_key not in jobs:
                jobs[plan.lowering_key] = lowering.submit(_lowered, plan, project, cache, settings, say, stop)
        wait(jobs.values())
        wait(runners)
        return tuple(
            _outcome(plan, jobs[plan.lowering_key], cache, settings, settings.out or project.root / "out")
            for plan, project in work
        )


def _lowered(
    plan: Plan, project: Project, cache: Cache, settings: Settings, say: Progress, stop: threading.Event
) -> tuple[Lowered, Path]:
    """Return the record and folder of the plan's lowering job, from the cache where its inputs were lowered before."""
    import tempfile

    from edgec import job
    from edgec.stages.plan import untrusted

    if refusal := untrusted(plan, project, settings.policy):
        raise Failure(refusal)
    with cache.lock("lowered", plan.lowering_key, stop):
        entry = cache.read("lowered", plan.lowering_key)
        if entry is None:
            with tempfile.TemporaryDirectory(prefix="edgec-job-") as name:
                job.run(plan, project, Path(name), say, stop)
                entry = cache.write("lowered", plan.lowering_key, Path(name))
        else:
            say(f"{plan.name}: the lowering is in the cache")
    return job.read_lowered(entry), entry


def _compile_ahead(plan: Plan, cache: Cache, settings: Settings, stop: threading.Event) -> None:
    """Build the runner that the plan most likely needs; a Failure here comes again, and is reported, in ``_outcome``."""
    from edgec.registry import plugin
    from edgec.runtime.runner import runner_for

    backends = [name for choice in plan.delegates for name in plugin("delegates", choice.name).BACKENDS]
    with contextlib.suppress(Failure):
        if not stop.is_set():
            runner_for(plan.target, backends, (), cache, settings.offline)


def _outcome(plan: Plan, lowering: Lowering, cache: Cache, settings: Settings, out: Path) -> Outcome:
    """Carry one plan from its lowering to a written bundle, or to the diagnostics that say why there is none."""
    import os

    from edgec.artifacts.outcome import Outcome

    try:
        lowered, folder = lowering.result()
        return _bundled(Outcome(plan=plan, lowered=lowered), lowered, folder, cache, settings, out)
    except Failure as failure:
        return Outcome(plan=plan, diagnostics=failure.diagnostics)
    # A bug in one plan's build is reported as one, and stops none of the others.
    except Exception as error:
        if os.environ.get("EDGEC_DEBUG"):
            raise
        lines = [line for line in str(error).splitlines() if line.strip()]
        told = f"{plan.target.name}: {type(error).__name__}: {lines[-1].strip() if lines else ''}"
        hint = "please report it; EDGEC_DEBUG=1 shows the traceback"
        return Outcome(plan=plan, diagnostics=(Diagnostic(code="internal-error", message=told, hint=hint),))


def _bundled(
    outcome: Outcome, lowered: Lowered, folder: Path, cache: Cache, settings: Settings, out: Path
) -> Outcome:
    from edgec.runtime.runner import runner_for
    from edgec.stages.judge import judge, shortfalls
    from edgec.stages.measure import measure
    from edgec.stages.render import render
    from edgec.stages.write import write

    plan = outcome.plan
    runner = runner_for(plan.target, lowered.backends, lowered.kernels, cache, settings.offline)
    measured = measure(plan, lowered, folder, runner)
    verdicts = judge(plan, measured)
    short = shortfalls(plan, verdicts, settings.strict)
    rejected = any(diagnostic.severity == "error" for diagnostic in short)
    bundle = render(plan, lowered, folder, runner, measured, verdicts, rejected)
    written = write(bundle, out)
    return replace(outcome, measured=measured, verdicts=verdicts, written=written, diagnostics=short)
