"""`edgec plan`: what a build would do, fully resolved, without doing any of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.artifacts.settings import Settings
from edgec.commands.options import common, exit_code, output, put
from edgec.commands.planning import Planned, plans

if TYPE_CHECKING:
    from edgec.forecast import Forecast


@click.command("plan")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--target", "targets", multiple=True, help="Plan this target only; may be given several times.")
@click.option("--root", type=click.Path(path_type=Path, exists=True, file_okay=False), help="What paths may not leave.")
@click.option("--allow-code", is_flag=True, help="As `edgec build --allow-code`.")
@click.option("--policy", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Use this edgec.toml.")
@click.option("--profile", is_flag=True, help="Load each model once, in a process of its own, and count what it computes.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where bundles go, as `edgec build --out`.")
@click.option("--since", metavar="REV", help="Only manifests that changed, or whose inputs did, since this git revision.")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@common("human", "json", "github")
def command(
    paths: tuple[Path, ...],
    targets: tuple[str, ...],
    root: Path | None,
    allow_code: bool,
    policy: Path | None,
    profile: bool,
    out: Path | None,
    since: str | None,
    strict: bool,
) -> int:
    """Print what a build of every manifest of PATH... (default: manifests/) would do, and why.

    For each target: the resolved plan, what would run (nothing, judge and render, lower), which input or field has changed
    since its last build on this cache, the size and time to expect, and how each budget stands with the last build's
    figures. What the target's figures allow is told once the model is counted: by an earlier build, or by --profile.
    `--output github` prints Markdown for a comment on a pull request, and findings as annotations on standard error.
    """
    from edgec.forecast import forecasts
    from edgec.store.cache import Cache, default_folder

    settings = Settings(
        root=root,
        targets=targets,
        allow_code=allow_code,
        policy=policy,
        out=out,
        strict=strict,
        since=since,
        cache=default_folder(),
    )
    found = plans(paths, settings, count=profile)
    code = exit_code(found.diagnostics, strict=strict)
    _tell(found, forecasts(found.work, settings, Cache(folder=default_folder())), code)
    return code


def _tell(found: Planned, groups: list[list[Forecast]], code: int) -> None:
    out = output()
    if out.format == "json":
        from edgec.artifacts.codec import to_json
        from edgec.output import json
        from edgec.output.comment import record

        more = {
            "plans": [to_json(plan) for plan, _ in found.work],
            "profiles": [to_json(item) for item in found.foreseen.profiles],
            "predictions": [to_json(item) for item in found.foreseen.predictions],
            "forecasts": [record(item) for group in groups for item in group],
        }
        out.data(json.render(found.diagnostics, found.documents, code, **more))
        return
    from edgec.output.plans import Known, human
    from edgec.stages.plan import reference_key

    def known_of(item: Forecast) -> Known:
        profile, prediction = next(beside)
        uncounted = found.uncounted.get(reference_key(item.plan), ()) if found.uncounted else ()
        return Known(forecast=item, profile=profile, prediction=prediction, uncounted=uncounted)

    beside = iter(zip(found.foreseen.profiles, found.foreseen.predictions, strict=True))
    known = [[known_of(item) for item in group] for group in groups]
    if out.format == "github":
        from edgec.output import github
        from edgec.output.comment import comment

        put(sys.stderr, github.render(found.diagnostics, found.documents))
        out.data(comment(groups, found.diagnostics, [human(group, False) for group in known]))
    else:
        out.findings(found.diagnostics, found.documents)
        out.data("\n".join(human(group, out.colour(sys.stdout)) for group in known))
