"""`edgec list`: everything that a manifest can name."""

from __future__ import annotations

import json
from typing import Any, get_args

import click

from edgec.commands.options import common, output
from edgec.registry import Kind

KINDS = (*get_args(Kind), "targets")


@click.command("list")
@click.argument("kind", required=False, type=click.Choice(KINDS))
@common("human", "json")
def command(kind: str | None) -> None:
    """List what a manifest can name: all of it, or one KIND."""
    rows = {one: _rows(one) for one in ((kind,) if kind else KINDS)}
    if output().format == "json":
        output().data(json.dumps({"schema": "edgec/list/v1", **rows}, indent=2, ensure_ascii=False))
        return
    width = max(len(row["name"]) for group in rows.values() for row in group)
    blocks = []
    for title, group in rows.items():
        lines = [f"  {row['name']:<{width}}  {row['summary']}{_absent(row)}" for row in group]
        blocks.append("\n".join(lines if kind else [f"{title}:", *lines]))
    output().data("\n\n".join(blocks))


def _rows(kind: str) -> list[dict[str, Any]]:
    """Return name, summary and what is missing here for each of a kind, in the registry's order."""
    from edgec.registry import names, plugin
    from edgec.targets.table import TARGETS

    if kind == "targets":
        return [{"name": row.name, "summary": row.summary, "missing": None} for row in TARGETS.values()]
    modules = {name: plugin(kind, name) for name in names(kind)}  # type: ignore[arg-type]  # click allows KINDS only
    return [
        {"name": name, "summary": module.SUMMARY, "missing": module.missing() if hasattr(module, "missing") else None}
        for name, module in modules.items()
    ]


def _absent(row: dict[str, Any]) -> str:
    return f" (not available here: {row['missing']})" if row["missing"] else ""
