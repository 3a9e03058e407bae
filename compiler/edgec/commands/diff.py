"""`edgec diff`: what changed between two releases of one bundle, and whether it is more than may change."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from edgec.artifacts.difference import Difference
from edgec.artifacts.release import Release
from edgec.commands.options import common, output, plain_http_options, put
from edgec.diagnostics import Diagnostic

SCHEMA = "edgec/difference/v1"
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("diff", short_help="Compare two releases of a bundle.")
@click.argument("old")
@click.argument("new")
@click.option(
    "--fail-on",
    multiple=True,
    metavar="NAME:LIMIT,...",
    help="Exit with 7 where more than this is lost, as in accuracy:0.5%,latency:10%,size:5%,flips:1%,delegation:1%.",
)
@click.option("--strict", is_flag=True, help="Hold limits against the whole 95 % interval of a change, not its figure alone.")
@click.option("--old-measured", multiple=True, type=FILE, help="OLD's measurements.json or a device's verify.json.")
@click.option("--new-measured", multiple=True, type=FILE, help="The same of NEW.")
@click.option("--target", "targets", multiple=True, help="Of a registry: this target's bundle (default: the other side's).")
@plain_http_options
@common("human", "json", "markdown", "github")
def command(
    old: str,
    new: str,
    fail_on: tuple[str, ...],
    strict: bool,
    old_measured: tuple[Path, ...],
    new_measured: tuple[Path, ...],
    targets: tuple[str, ...],
    plain_http: bool,
    insecure_plain_http: bool,
) -> int:
    """Show what changed from OLD to NEW: two bundles, each a folder, a tarball, or oci://HOST/REPOSITORY:TAG.

    Accuracy and decisions are compared sample by sample, by what a build keeps in the measurements.json beside its bundle;
    figures only with others of the same evidence, and clocked ones only of one machine and number of threads.
    """
    from dataclasses import replace

    from edgec.artifacts.reference import is_reference
    from edgec.releases.at_hand import at_hand
    from edgec.releases.compare import difference
    from edgec.releases.read import read_release
    from edgec.releases.thresholds import asked, held
    from edgec.store.cache import default_folder

    try:
        limits = asked(fail_on)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fail-on") from None
    if strict and not limits:
        raise click.UsageError("--strict says how --fail-on is held; name a threshold")
    if len(targets) > 1:
        raise click.UsageError("--target names the one target that is compared")
    if not is_reference(old) and not is_reference(new):
        _refuse_idle({"--target": targets, "--plain-http": plain_http, "--insecure-plain-http": insecure_plain_http})
    sides = {"old": (old, old_measured), "new": (new, new_measured)}
    read: dict[str, Release] = {}
    # What lies here first: its target is the one that is meant of a registry's release, unless --target names one.
    for side, (text, measured) in sorted(sides.items(), key=lambda item: is_reference(item[1][0])):
        meant = targets or tuple(release.target for release in read.values())
        with at_hand(text, meant, default_folder(), plain_http=plain_http, insecure=insecure_plain_http) as path:
            read[side] = replace(read_release(path, measured), path=text)
    found = difference(read["old"], read["new"])
    found = replace(found, thresholds=held(limits, found, strict))
    diagnostics = _crossed(found)
    code = 7 if diagnostics else 0
    _tell(found, diagnostics, code)
    return code


def _refuse_idle(options: Mapping[str, object]) -> None:
    """Raise a usage error where one of these was given: they say how a registry is asked, and neither side lies in one."""
    if idle := [name for name, given in options.items() if given]:
        raise click.UsageError(f"{idle[0]} is for a side in a registry (oci://HOST/REPOSITORY:TAG); both lie here")


def _crossed(found: Difference) -> list[Diagnostic]:
    """An error a threshold that is crossed, or that cannot be held: exit code 0 means that every one was, and was kept."""
    return [
        Diagnostic(
            code="threshold-crossed",
            message=f"--fail-on {item.text}: {'crossed' if item.held == 'crossed' else 'cannot be held'}: {item.reason}",
        )
        for item in found.thresholds
        if item.held != "kept"
    ]


def _tell(found: Difference, diagnostics: list[Diagnostic], code: int) -> None:
    out = output()
    if out.format == "json":
        from edgec.artifacts.codec import to_json
        from edgec.output import json

        out.data(json.render(diagnostics, {}, code, **{**to_json(found), "schema": SCHEMA}))
        return
    from edgec.output.difference import human, markdown

    out.data(human(found, out.colour(sys.stdout)) if out.format == "human" else markdown(found))
    if out.format == "github":
        from edgec.output import github

        put(sys.stderr, github.render(diagnostics, {}))
    else:
        out.findings(diagnostics, {})
