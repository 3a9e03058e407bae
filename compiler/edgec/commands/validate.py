"""`edgec validate`: manifests in, every mistake that shows without torch out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Document
from edgec.commands.options import common, exit_code, output
from edgec.diagnostics import Diagnostic


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--root", type=click.Path(path_type=Path, exists=True, file_okay=False), help="What paths may not leave.")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@common("human", "json", "github", "sarif")
def command(paths: tuple[Path, ...], root: Path | None, strict: bool) -> int:
    """Check every manifest of PATH... (files or folders; default: manifests/, else this folder).

    Finds all that can be known without loading a model. Exit code 3 when a manifest is not valid, or the project's policy
    (edgec.toml).
    """
    from edgec.pipeline import fronts
    from edgec.store.trust import broken

    passed, diagnostics, documents = fronts(paths, root)
    diagnostics += broken(checked.project for checked in passed)[1]
    code = exit_code(diagnostics, strict=strict)
    if output().format == "human":
        _tell(passed, diagnostics, documents, strict)
    elif output().format == "json":
        from edgec.output import json

        manifests = [_row(checked) for checked in passed]
        output().data(json.render(diagnostics, documents, code, manifests=manifests))
    else:
        output().data(output().render(diagnostics, documents, sys.stdout))
    return code


def _tell(passed: list[Checked], diagnostics: list[Diagnostic], documents: dict[str, Document], strict: bool) -> None:
    """Print the findings, then a line for each manifest that passed, then how many mistakes there are."""
    from edgec.output import human

    out = output()
    if diagnostics:
        out.data(out.render(diagnostics, documents, sys.stdout))
    fatal = ("error", "warning") if strict else ("error",)
    wrong = {found.where.file for found in diagnostics if found.where and found.severity in fatal}
    for checked in passed:
        if checked.document.path not in wrong and not out.quiet:
            manifest = checked.manifest
            targets = ", ".join(target.name for target in manifest.targets)
            out.data(f"ok: {checked.document.path}: {manifest.name} {manifest.version} for {targets}")
    for name, document in documents.items():
        if isinstance(document.data, dict) and document.data.get("kind") == "Target" and name not in wrong and not out.quiet:
            out.data(f"ok: {name}: target {document.data['name']}")
    if counted := human.summary(diagnostics):
        out.say(f"{counted} (--strict: warnings are errors)" if strict else counted)


def _row(checked: Checked) -> dict[str, object]:
    manifest = checked.manifest
    names = [target.name for target in manifest.targets]
    return {"file": checked.document.path, "name": manifest.name, "version": manifest.version, "targets": names}
