"""The table of contents: read → shape → parse → check → plan → lower (jobs) → measure, judge, choose → render → write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Document
from edgec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:  # what only `build` needs is imported there: `validate` answers at once
    from edgec.artifacts.bundle import Runner
    from edgec.artifacts.outcome import Outcome
    from edgec.artifacts.plan import Plan
    from edgec.artifacts.project import Project
    from edgec.artifacts.search import Searched, Trial
    from edgec.artifacts.settings import Settings
    from edgec.runtime.forks import Forks
    from edgec.store.cache import Cache
    from edgec.workshop import Workshop

    Work = tuple[Plan, Project]

BUILDING = (
    *("edgec.built", "edgec.workshop", "edgec.baseline", "edgec.search", "edgec.trials", "edgec.appraisal", "edgec.locking"),
    *("edgec.runtime.bench", "edgec.runtime.runner", "edgec.stages.judge", "edgec.stages.measure", "edgec.stages.omitted"),
    *("edgec.stages.remember", "cattrs.strategies", "jinja2.bccache", "edgec.kinds.linux_native", "edgec.kinds.compiled"),
    *("edgec.stages.render", "edgec.stages.write", "edgec.stages.front", "edgec.store.archive", "edgec.store.compressed"),
    *("edgec.store.members", "edgec.store.once"),
)
"""Modules that building imports late, with what most targets have: a CPU, Linux, a runner."""

Progress = Callable[[str], None]
Watch = Callable[["Plan", str], None]


def front(path: Path, root: Path | None = None, *, offline: bool = False) -> Checked:
    """Carry one manifest through read → shape → parse → check; it is named in messages as ``path`` is written.

    Raises Failure with everything that its first failing stage found; the failure's ``documents`` hold the text.
    """
    from edgec.stages.discover import project_of
    from edgec.stages.read import read

    document = read(path, str(path))
    return front_of(document, project_of(path, root, offline=offline))


def front_of(document: Document, project: Project) -> Checked:
    """Carry a manifest that was read, or is yet to be written, through shape → parse → check. Raises Failure as ``front``."""
    from edgec.stages.check import check
    from edgec.stages.devices import devices
    from edgec.stages.parse import parse
    from edgec.stages.shape import shape

    shape(document)
    targets, others = devices(document, project, target_file)
    manifest = parse(document, targets)
    warnings = check(manifest, document, project, others)
    return Checked(document=document, manifest=manifest, project=project, warnings=warnings, others=others)


def target_file(path: Path, shown: str) -> Document:
    """Return the Document of a target file, named ``shown`` in messages. Raises Failure with all that is wrong in its shape."""
    from edgec.stages.read import read
    from edgec.stages.shape import shape

    document = read(path, shown)
    shape(document, "target")
    return document


def target_front(path: Path, root: Path | None = None) -> dict[str, Document]:
    """Carry one target file, and what it is based on, through reading and shape; return their texts by name. Raises Failure."""
    from edgec.stages.devices import chain_of
    from edgec.stages.discover import project_of

    return chain_of(target_file(path, str(path)), path, project_of(path, root), target_file)


def fronts(
    paths: Sequence[Path], root: Path | None = None, *, offline: bool = False
) -> tuple[list[Checked], list[Diagnostic], dict[str, Document]]:
    """Carry every manifest among ``paths`` through ``front``: those that pass, all diagnostics, and the texts they are in.

    Target files among them are held against their schema, and no more: manifests name them.

    Raises Failure ``no-manifest`` when a path holds none.
    """
    from edgec.stages.discover import discover, is_target_file, named_twice
    from edgec.store.atomic import read_errors

    files, diagnostics = discover(paths)
    passed: list[Checked] = []
    documents: dict[str, Document] = {}
    for path in files:
        try:
            with read_errors(f"{path} or what it names"):
                if is_target_file(path):
                    documents |= target_front(path, root)
                    continue
                checked = front(path, root, offline=offline)
        except Failure as failure:
            diagnostics += failure.diagnostics
            documents |= failure.documents
        else:
            passed.append(checked)
            diagnostics += checked.warnings
            documents |= {**checked.others, checked.document.path: checked.document}
    unique, twice = named_twice(passed)
    return unique, diagnostics + twice, documents


def planned(passed: Sequence[Checked], settings: Settings) -> tuple[list[Work], list[Diagnostic]]:
    """Expand checked manifests into Plans, one per target and candidate, each with its project.

    What fails while hashing becomes diagnostics.
    """
    from edgec.stages.plan import Seen, plan
    from edgec.store.atomic import read_errors

    seen = Seen()
    work: list[Work] = []
    failed: list[Diagnostic] = []
    for checked in passed:
        try:
            with read_errors(f"{checked.document.path} or what it names"):
                plans = plan(checked, allow_code=settings.allow_code, policy=settings.policy, only=settings.targets, seen=seen)
        except Failure as failure:
            failed += failure.diagnostics
        else:
            work += [(item, checked.project) for item in plans]
    return work, failed


def import_building(enough: Callable[[], bool]) -> None:
    """Import what ``build`` needs where the lowering is in the cache, until that is ``enough``: the rest when it is used."""
    import importlib

    for name in BUILDING:
        if enough():
            return
        importlib.import_module(name)


def build(work: Sequence[Work], settings: Settings, say: Progress, watch: Watch | None = None) -> tuple[Outcome, ...]:
    """Build every target and return one Outcome each, in order; one that fails stops none of the others.

    A target with a search is built from the best of its candidates. Nothing is clocked before every job is done, so that
    figures are not those of a busy machine. An interrupt kills the jobs. A target whose bundle lies there whole, made from
    the very same, is left as it is.
    """
    import contextlib
    import tempfile

    from edgec.artifacts.plan import by_target
    from edgec.built import all_unchanged
    from edgec.store.cache import Cache

    damages: list[tuple[str, str]] = []
    with contextlib.ExitStack() as stack:
        folder = settings.cache or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgec-")))
        cache = Cache(folder=folder, damaged=lambda entry, why: damages.append((entry, why)))
        stack.enter_context(cache.lease())
        groups = by_target(work)
        there = all_unchanged(groups, settings, cache)
        rest = [group for group, outcome in zip(groups, there, strict=True) if outcome is None]
        for outcome in there:
            if outcome and watch:
                watch(outcome.plan, outcome.status)
        made: Iterator[Outcome] = iter(())
        if rest:
            from edgec.runtime.forks import Forks

            made = _made(rest, settings, cache, stack.enter_context(Forks()), damages, say, watch)
        outcomes = [outcome or next(made) for outcome in there]
    return _with_damages(outcomes, damages, settings.strict)


def _made(
    groups: Sequence[Sequence[Work]],
    settings: Settings,
    cache: Cache,
    forks: Forks,
    damages: list[tuple[str, str]],
    say: Progress,
    watch: Watch | None,
) -> Iterator[Outcome]:
    """Yield the outcome of each target that has something to do; ``damages`` gets those of the cache that forks met.

    Bundles are written side by side, one a core, all but one of them in ``forks``; nothing is clocked meanwhile.
    """
    import threading

    from edgec.baseline import baselines
    from edgec.cores import cores
    from edgec.workshop import Workshop, lowered, unwatched

    work = [entry for group in groups for entry in group]
    shop = Workshop(
        cache=cache,
        settings=settings,
        say=say,
        stop=threading.Event(),
        watch=watch or unwatched,
        quiet=forks.wait,
        several=len({plan.manifest for plan, _ in work}) > 1,
    )
    trials = iter(lowered([*work, *(baselines(work) if settings.baseline else [])], shop))
    count = 0

    def told(outcome: Outcome) -> Outcome:
        nonlocal count
        count += 1
        shop.watch(outcome.plan, outcome.status)
        if shop.several:
            say(f"{outcome.plan.name} for {outcome.plan.target.name}: {outcome.status} ({count} of {len(groups)})")
        return outcome

    beside: list[Aside] = []
    for group in groups:
        while beside and beside[0].ready():
            yield told(beside.pop(0).outcome())
        shop.watch(group[0][0], "measuring")
        bundled = _concluded([next(trials) for _ in group], group[0][1], shop)
        if len(beside) + 1 < cores() and group is not groups[-1]:
            beside.append(_aside(group[0][0], bundled, forks, damages))
            continue
        last = bundled()
        for entry in beside:
            yield told(entry.outcome())
        beside = []
        yield told(last)


class Aside(NamedTuple):
    """A bundle that is written elsewhere: whether it is there, and what waits for its outcome."""

    ready: Callable[[], bool]
    outcome: Callable[[], Outcome]


def _aside(plan: Plan, work: Callable[[], Outcome], forks: Forks, damages: list[tuple[str, str]]) -> Aside:
    """Begin ``work``, which ends with the outcome of ``plan``, in a fork; or leave it for later where there is none."""
    from edgec.artifacts.outcome import Outcome
    from edgec.workshop import diagnosed

    known = len(damages)

    def beside() -> tuple[Outcome, list[tuple[str, str]]]:
        return work(), damages[known:]

    fork = forks.begin(beside)
    if fork is None:
        return Aside(lambda: True, work)

    def outcome() -> Outcome:
        try:
            found, met = fork.result()
        except Exception as error:
            return Outcome(plan=plan, diagnostics=diagnosed(plan, error))
        damages.extend(met)
        return found

    return Aside(fork.ended, outcome)


def _with_damages(outcomes: list[Outcome], damages: Sequence[tuple[str, str]], strict: bool) -> tuple[Outcome, ...]:
    """Tell of damaged entries of the cache, once, with the first outcome: what was made from them was made anew.

    Under --strict it is a note: what a cache held decides no exit code.
    """
    from dataclasses import replace

    told = tuple(
        Diagnostic(
            code="cache-damaged",
            severity="note" if strict else "warning",
            message=f"the cache entry {entry} was damaged, and is made anew: {why}",
        )
        for entry, why in dict(damages).items()
    )
    if outcomes and told:
        outcomes[0] = replace(outcomes[0], diagnostics=(*outcomes[0].diagnostics, *told))
    return tuple(outcomes)


def _concluded(candidates: Sequence[Trial], project: Project, shop: Workshop) -> Callable[[], Outcome]:
    """Carry one target from its lowered candidates to verdicts; return what writes its bundle, or says why there is none."""
    from edgec.artifacts.outcome import Outcome
    from edgec.baseline import pointless
    from edgec.registry import bundle_kind
    from edgec.search import concluded, findings, refusals
    from edgec.stages.judge import overfull, shortfalls
    from edgec.stages.omitted import omissions
    from edgec.trials import judged, settled
    from edgec.workshop import diagnosed

    plan, strict = candidates[0].plan, shop.settings.strict

    def ended(outcome: Outcome) -> Callable[[], Outcome]:
        return lambda: outcome

    try:
        trials = judged(candidates, shop)
        searched = concluded(trials, strict, shop.seconds(plan))
        trial = trials[0] if searched is None else searched.chosen
        diagnostics = refusals(trials, trial)
        if trial is None or diagnostics:
            shop.forget(searched)
            return ended(Outcome(plan=plan, diagnostics=diagnostics, searched=searched))
        lowered, _, measured = settled(trial)
        runner = None
        if bundle_kind(plan.target.kind).RUNNER:
            runner = shop.runner(plan.target, lowered.backends, lowered.kernels)
        short = (*findings(searched), *shortfalls(trial.plan, trial.verdicts, strict), *pointless(trial, shop))
        short += (*trial.gaps, *overfull(trial.plan, measured, strict), *omissions(trial.plan, lowered))
    except Exception as error:
        return ended(Outcome(plan=plan, diagnostics=diagnosed(plan, error)))
    plans = [item.plan for item in candidates]

    def written() -> Outcome:
        try:
            return _bundled(trial, short, runner, plans, searched, shop, project)
        except Exception as error:
            return Outcome(plan=plan, diagnostics=diagnosed(plan, error))

    return written


def _bundled(
    trial: Trial,
    short: tuple[Diagnostic, ...],
    runner: Runner | None,
    plans: Sequence[Plan],
    searched: Searched | None,
    shop: Workshop,
    project: Project,
) -> Outcome:
    """Render and write the bundle of what was chosen, and keep what later builds need to know of it."""
    from edgec.artifacts.outcome import Made, Outcome
    from edgec.built import keep, note_last
    from edgec.locking import refuse_other
    from edgec.stages.front import write_front
    from edgec.stages.render import render
    from edgec.stages.write import digests_of, write
    from edgec.trials import settled

    plan, settings = trial.plan, shop.settings
    out = settings.out or project.root / "out"
    lowered, folder, measured = settled(trial)
    rejected = any(diagnostic.severity == "error" for diagnostic in short)
    bundle = render(
        *(plan, lowered, folder, runner, measured, trial.verdicts, rejected, searched, trial.evaluated), cache=shop.cache
    )
    made = {"model": lowered.pte_sha256, "bundle": bundle.digest, "files": bundle.digests}
    if settings.locked:
        refuse_other(plan, made)
    front = write_front(searched, out) if searched and rejected else None
    written = write(bundle, out, shop.cache)
    if settings.locked:
        refuse_other(plan, {**made, "tarball": written.tarball_sha256})
    shop.forget(searched)
    outcome = Outcome(
        plan=plan,
        made=Made(recipe=lowered.recipe, reason=lowered.resolved.get("recipe", ""), sha256=lowered.pte_sha256),
        measured=measured,
        verdicts=trial.verdicts,
        written=written,
        diagnostics=short,
        searched=searched,
        front=front,
    )
    keep(outcome, lowered, digests_of(bundle, written), bundle.digests, plans, settings, shop.cache)
    note_last(outcome, trial.seconds, plans, project, settings, shop.cache)
    return outcome
