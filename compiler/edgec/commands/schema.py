"""`edgec schema`: the JSON Schema of manifests and target files, for editors and other programs."""

from __future__ import annotations

import click

from edgec.commands.options import common, output


@click.command("schema")
@click.argument("kind", required=False, default="manifest", type=click.Choice(["manifest", "target"]))
@common("human", "json")
def command(kind: str) -> None:
    """Print the JSON Schema (draft 2020-12) of manifests, as the installed plugins make it, or of target files.

    Save it beside your manifests and begin them with
    `# yaml-language-server: $schema=manifest.schema.json` for completion in editors.
    """
    from edgec.stages.schema import schema_text

    output().record(schema_text(kind))
