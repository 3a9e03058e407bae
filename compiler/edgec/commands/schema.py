"""`edgec schema`: the JSON Schema of manifests, for editors and other programs."""

from __future__ import annotations

import click

from edgec.commands.options import common, output


@click.command("schema")
@common("human", "json")
def command() -> None:
    """Print the manifest's JSON Schema (draft 2020-12), as the installed plugins make it.

    Save it beside your manifests and begin them with
    `# yaml-language-server: $schema=manifest.schema.json` for completion in editors.
    """
    from edgec.stages.schema import schema_text

    output().data(schema_text())
