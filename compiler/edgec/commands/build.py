"""`edgec build`: manifests in, verified bundles out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.artifacts.settings import Settings
from edgec.commands.options import common, exit_code, output, put
from edgec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:  # an answer that is known needs none of it
    from edgec.answers import Question
    from edgec.artifacts.outcome import Outcome
    from edgec.commands.planning import Planned
    from edgec.reads import Reads

FEW = 4
"""Manifests that are planned in a fork."""


@click.command("build", short_help="Build bundles from manifests.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where bundles go (default: out/ in the root).")
@click.option("--target", "targets", multiple=True, help="Build this target only; may be given several times.")
@click.option("--root", type=click.Path(path_type=Path, exists=True, file_okay=False), help="What paths may not leave.")
@click.option("--allow-code", is_flag=True, help="Run the project's own code where a manifest's source needs it.")
@click.option("--policy", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Use this edgec.toml.")
@click.option("--strict", is_flag=True, help="Warnings and inconclusive budgets fail the build.")
@click.option("--offline", is_flag=True, help="Fetch nothing.")
@click.option("--locked", is_flag=True, help="Refuse what is not as MANIFEST.lock has it; `edgec lock` writes one.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Lower this many at once (default: 1; in a search, one a core).")
@click.option("--since", metavar="REV", help="Only manifests that changed, or whose inputs did, since this git revision.")
@click.option("--baseline", is_flag=True, help="Lower fp32 too, and warn where quantization gains no time here.")
@click.option("--sustained", is_flag=True, help="Clock budgets after any load; else only after a load of 10 s at most.")
@click.option("--scheduler", metavar="ADDRESS", help="Lower on the dask.distributed cluster of this scheduler (tcp://…).")
@click.option(
    "--store",
    metavar="PLACE",
    envvar="EDGEC_STORE",
    help="With --scheduler: a folder that this machine and every worker share, or a repository (oci://HOST/REPOSITORY).",
)
@click.option("--job-memory", metavar="SIZE", help="With --scheduler: memory that a job may take (default: its worker's).")
@click.option("--no-cache", is_flag=True, help="Reuse nothing and keep nothing but downloads.")
@common("human", "json")
def command(
    paths: tuple[Path, ...],
    out: Path | None,
    targets: tuple[str, ...],
    root: Path | None,
    allow_code: bool,
    policy: Path | None,
    strict: bool,
    offline: bool,
    locked: bool,
    jobs: int | None,
    since: str | None,
    baseline: bool,
    sustained: bool,
    scheduler: str | None,
    store: str | None,
    job_memory: str | None,
    no_cache: bool,
) -> int:
    """Build every manifest of PATH... (default: manifests/), for all its targets.

    Exit code 0 means that each bundle was written and read back, that its artifact agrees with the model on real
    inputs, and that no budget is missed. What only the device can tell is judged there, by the bundle.
    """
    from edgec.answers import question
    from edgec.store.cache import default_folder

    if scheduler and not store:
        raise click.UsageError("--scheduler needs --store, the folder or the repository that inputs and results travel through")
    given = click.get_current_context().get_parameter_source("store")
    if not scheduler and given is click.core.ParameterSource.COMMANDLINE:  # EDGEC_STORE stays set between builds
        raise click.UsageError("--store is where inputs and results of --scheduler travel through; name a scheduler")
    if job_memory and not scheduler:
        raise click.UsageError("--job-memory bounds the jobs of --scheduler")
    settings = Settings(
        out=out,
        root=root,
        targets=targets,
        allow_code=allow_code,
        policy=policy,
        strict=strict,
        offline=offline,
        jobs=jobs,
        since=since,
        locked=locked,
        baseline=baseline,
        sustained=sustained,
        cache=None if no_cache else default_folder(),
        scheduler=scheduler,
        store=store,
        job_memory=_memory(job_memory),
    )
    asked = question(paths, settings, output().as_printed())
    if asked and (known := asked.answer()):
        _put(*known)
        return 0
    return _build(paths, settings, asked)


def _build(paths: tuple[Path, ...], settings: Settings, asked: Question | None) -> int:
    found, planning = _planned(paths, settings, asked)
    from edgec import reads
    from edgec.output.board import board
    from edgec.pipeline import build

    skipped = asked.skipped if asked else ()
    refused = settings.strict and exit_code(found.diagnostics, strict=True) != 0
    if refused:
        output().say("nothing is built: --strict makes errors of warnings")
    outcomes: tuple[Outcome, ...] = ()
    with reads.noted(*skipped, *_outs(found, settings)) as building:
        if not refused:
            with board([plan for plan, _ in found.possible], output()) as (say, watch):
                outcomes = build(found.possible, settings, say, watch)
    diagnostics = _diagnostics(found, outcomes)
    code = exit_code(diagnostics, strict=settings.strict)
    _put(*_texts(found, outcomes, diagnostics, code))
    if asked and outcomes and code == 0:
        try:
            _keep(asked, found, outcomes, settings, planning, building)
        except (Failure, OSError) as error:  # the build is done, and the next one looks at everything again
            why = error.diagnostics[0].message if isinstance(error, Failure) else str(error)
            output().say(f"this answer is not kept for the next time: {why}")
    return code


def _planned(paths: tuple[Path, ...], settings: Settings, asked: Question | None) -> tuple[Planned, Reads]:
    """Return the plans, and what was read for them.

    Of few manifests most of the time goes into imports: a fork plans, while this process imports what building needs.
    """
    from edgec import reads
    from edgec.commands.planning import plans
    from edgec.cores import cores
    from edgec.runtime.forks import Forks

    def plan() -> tuple[Planned, Reads]:
        with reads.noted(*(asked.skipped if asked else ())) as planning:
            found = plans(paths, settings)
            _refuse_samples(found, settings)
            if settings.locked:
                found = _locked(found, settings)
        return found, planning

    if asked is None or cores() < 2 or not _few(paths):
        return plan()
    with Forks() as forks:
        fork = forks.begin(plan)
        if fork is None:
            return plan()
        from edgec.output import board, outcomes  # noqa: F401
        from edgec.pipeline import import_building

        import_building(fork.ended)
        try:
            return fork.result()
        except RuntimeError:  # what it met is met here too, and raised as what it is
            return plan()


def _few(paths: tuple[Path, ...]) -> bool:
    """Whether ``paths`` hold so few manifests that handing their plans from one process to another costs next to nothing.

    None of them a pipe: what a fork has read of it is not there a second time, where it has to be planned here after all.
    """
    from edgec.stages.discover import discover

    try:
        files = discover(paths)[0]
    except Failure:
        return False
    return len(files) <= FEW and all(path.is_file() for path in files)


def _keep(
    asked: Question, found: Planned, outcomes: tuple[Outcome, ...], settings: Settings, planning: Reads, building: Reads
) -> None:
    """Keep what the same command will print while nothing changes: that every bundle is unchanged."""
    from edgec import reads
    from edgec.built import all_unchanged, written_digests
    from edgec.registry import plugin

    if any(plugin("sources", plan.model.name).RUNS_CODE for plan, _ in found.work):
        return  # what such code is made of is found by looking for modules, in places that no file shows
    if not all(outcome.since for outcome in outcomes):
        with reads.noted(*asked.skipped, *_outs(found, settings)) as building:
            again = all_unchanged(found.groups, settings, asked.cache, written=[outcome.written for outcome in outcomes])
        outcomes = tuple(outcome for outcome in again if outcome)
        if len(outcomes) < len(again):
            return
    diagnostics = _diagnostics(found, outcomes)
    if any(item.code == "cache-damaged" for item in diagnostics):
        return
    written = [written_digests(group, settings, asked.cache) for group in found.groups]
    bundles = [item for items in written if items for item in items]
    if not all(written):
        return
    inputs = {f"{project.root}/{name}" for plan, project in found.work for name in (*plan.files, *plan.target_files)}
    inputs |= {plan.manifest for plan, _ in found.work}
    asked.keep(planning | building, inputs, bundles, *_texts(found, outcomes, diagnostics, 0))


def _refuse_samples(found: Planned, settings: Settings) -> None:
    """Raise UsageError where bundles would be written among the samples of a data set, and be samples the next time."""
    # Hundreds of manifests may share their data: each folder is looked at once.
    places = {
        (settings.out or project.root / "out", project.folder / str(path)): (data.role, path, plan.manifest)
        for plan, project in found.work
        for data in plan.data
        if (path := data.options.get("path"))
    }
    for (out, folder), (role, path, manifest) in places.items():
        if out.resolve().is_relative_to(folder.resolve()):
            what = f"{settings.out or 'out'} lies in the {role} data {path} of {manifest}"
            raise click.UsageError(f"{what}: bundles there would be taken for samples; name another folder with --out")


def _outs(found: Planned, settings: Settings) -> Iterator[str]:
    """Where bundles lie: they are not looked at but hashed."""
    yield from {str((settings.out or project.root / "out").absolute()) for _, project in found.work}


def _diagnostics(found: Planned, outcomes: Sequence[Outcome]) -> list[Diagnostic]:
    told = (item for outcome in outcomes for item in outcome.diagnostics)
    return list(dict.fromkeys((*found.diagnostics, *told)))  # targets that share a job share its failure


def _memory(text: str | None) -> int | None:
    """The bytes that ``text`` writes."""
    from edgec.artifacts.quantity import QuantityError, quantity

    try:
        return None if text is None else int(quantity(text, "bytes"))
    except QuantityError as error:
        raise click.BadParameter(f"{error}; {error.hint}", param_hint="--job-memory") from None


def _locked(found: Planned, settings: Settings) -> Planned:
    """Leave out the manifests whose inputs are not what was locked."""
    from edgec.locking import refused
    from edgec.store.cache import Cache, default_folder

    work, wrong = refused(found.work, Cache(folder=settings.cache or default_folder()), bool(settings.targets))
    return replace(found, work=work, diagnostics=[*found.diagnostics, *wrong])


def _put(out: str, err: str) -> None:
    output().put(out)
    put(sys.stderr, err)


def _texts(found: Planned, outcomes: tuple[Outcome, ...], diagnostics: list[Diagnostic], code: int) -> tuple[str, str]:
    """Return what is said on standard output and on standard error."""
    out = output()
    if out.format == "json":
        from edgec.output import json
        from edgec.output.outcomes import counts, records

        summary = {"targets": len(outcomes), **counts(outcomes)}
        text = json.render(diagnostics, found.documents, code, outcomes=records(outcomes), summary=summary)
        return out.ended(text), ""
    from edgec.output.outcomes import human

    findings = out.render(diagnostics, found.documents, sys.stderr) if diagnostics else ""
    return out.ended(human(outcomes, out.colour(sys.stdout))), findings
