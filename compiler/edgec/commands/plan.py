"""`edgec plan`: what a build would do, fully resolved, without doing any of it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from edgec.artifacts.document import Json
from edgec.artifacts.plan import Plan
from edgec.artifacts.settings import Settings
from edgec.commands.options import common, exit_code, output
from edgec.commands.planning import plans


@click.command("plan")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--target", "targets", multiple=True, help="Plan this target only; may be given several times.")
@click.option("--root", type=click.Path(path_type=Path, exists=True, file_okay=False), help="What paths may not leave.")
@click.option("--allow-code", is_flag=True, help="As `edgec build --allow-code`.")
@click.option("--policy", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Use this edgec.toml.")
@click.option("--profile", is_flag=True, help="Load each model once, in a process of its own, and count what it computes.")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@common("human", "json", "github")
def command(
    paths: tuple[Path, ...],
    targets: tuple[str, ...],
    root: Path | None,
    allow_code: bool,
    policy: Path | None,
    profile: bool,
    strict: bool,
) -> int:
    """Print the resolved plan of every manifest of PATH... (default: manifests/), one per target and candidate.

    What the target's figures allow is told once the model is counted: by an earlier build, or by --profile.
    """
    from edgec.store.cache import default_folder

    settings = Settings(root=root, targets=targets, allow_code=allow_code, policy=policy, cache=default_folder())
    found = plans(paths, settings, count=profile)
    out, code = output(), exit_code(found.diagnostics, strict=strict)
    if out.format == "json":
        from edgec.artifacts.codec import to_json
        from edgec.output import json

        records = [to_json(plan) for plan, _ in found.work]
        predictions = [to_json(item) for item in found.foreseen.predictions]
        profiles = [to_json(item) for item in found.foreseen.profiles]
        more = {"plans": records, "profiles": profiles, "predictions": predictions}
        out.data(json.render(found.diagnostics, found.documents, code, **more))
    else:
        import sys

        from edgec.output import plans as blocks

        out.findings(found.diagnostics, found.documents)
        told = zip(found.work, found.foreseen.profiles, found.foreseen.predictions, strict=True)
        known = [
            blocks.Known(plan=plan, facts=_facts(plan), profile=profile, prediction=prediction)
            for (plan, _), profile, prediction in told
        ]
        groups = [list(group) for _, group in groupby(known, key=lambda item: item.plan.goal)]
        if out.format == "github":
            shown = [blocks.markdown(group) for group in groups]
        else:
            colour = out.colour(sys.stdout)
            shown = [blocks.human(group, colour) for group in groups]
        out.data("\n".join(shown))
    return code


def _facts(plan: Plan) -> Json:
    """Return the record of an earlier lowering of the same inputs, or None."""
    import json

    from edgec.store.cache import Cache, default_folder

    record = Cache(folder=default_folder()).peek("lowered", plan.lowering_key, "lowered.json")
    return json.loads(record) if record else None
