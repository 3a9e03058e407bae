"""`edgec init`: a commented manifest to start from, made of what lies in the folder, then checked."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from edgec.commands.options import common, output
from edgec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:
    from edgec.artifacts.project import Project


@click.command("init")
@click.argument("place", type=click.Path(path_type=Path), default=Path(), metavar="[DIR|FILE]")
@click.option("--name", help="Name of the bundle (default: the folder's).")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@common("human", "json")
def command(place: Path, name: str | None, force: bool) -> None:
    """Write a commented manifest that validates, as DIR/NAME.yaml or FILE.

    Labelled pictures (a folder a class) and trained weights (.safetensors) below the folder are found and used.
    """
    from edgec.artifacts.project import Project
    from edgec.commands.starter import starter
    from edgec.stages.discover import git_root
    from edgec.store.atomic import environment_errors, write_file

    folder = place.parent if place.suffix in (".yaml", ".yml") else place
    name = _label(name if name is not None else PurePath(os.path.realpath(folder)).name, asked=name is not None)
    path = place if place.suffix in (".yaml", ".yml") else place / f"{name}.yaml"
    with environment_errors(f"write {path}"):  # a name too long is none that can be looked for
        _refuse_taken(path, force)
        real = Path(os.path.realpath(folder))
        project = Project(root=git_root(real) or real, folder=real)
    text, left_out = starter(name, project)
    content = text.encode()
    _refuse_invalid(content, path, project)
    with environment_errors(f"write {path}"):
        folder.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    _report(path, left_out)


def _refuse_taken(path: Path, force: bool) -> None:
    if path.is_dir():
        hint = f"name a file in it: {path / 'NAME.yaml'}"
        raise Failure(Diagnostic(code="already-exists", message=f"{path} is a folder", hint=hint))
    if path.exists() and not force:
        message = f"{path} is there already"
        raise Failure(Diagnostic(code="already-exists", message=message, hint="pass --force to overwrite it"))


def _refuse_invalid(content: bytes, path: Path, project: Project) -> None:
    """Raise Failure where the manifest would not be valid, before there is a file."""
    from edgec.pipeline import front_of
    from edgec.stages.read import read_bytes

    front_of(read_bytes(content, str(path)), project)


def _label(name: str, *, asked: bool) -> str:
    """Return a DNS label: the name asked for, or one made of the folder's name."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    if asked and (label != name or not label):
        meant = f" (did you mean {label!r}?)" if label else ""
        raise click.BadParameter(f"write lower-case letters, digits and inner hyphens{meant}", param_hint="--name")
    return label or "model"


def _report(path: Path, left_out: Sequence[Diagnostic]) -> None:
    """Hold the new manifest against the front end; say what was left out of it, and what comes next."""
    from edgec.pipeline import front

    checked = front(path)
    out = output()
    if out.format == "json":
        from edgec.output import json

        documents = {checked.document.path: checked.document}
        out.data(json.render([*left_out, *checked.warnings], documents, file=str(path)))
        return
    out.data(f"wrote {path}")
    for warning in (*left_out, *checked.warnings):
        out.say(f"{warning.severity}: {warning.message}" + (f" ({warning.hint})" if warning.hint else ""))
    word = _word(path)
    out.say(f"next: edgec validate {word} && edgec build {word}")


def _word(path: Path) -> str:
    """Return the path as a shell hands it to a command, which must not take it for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
