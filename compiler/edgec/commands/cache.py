"""`edgec cache`: what the cache holds, whether it is whole, and how it is made smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgec.commands.options import common, exit_code, output
from edgec.diagnostics import Diagnostic

if TYPE_CHECKING:
    from edgec.store.housekeeping import Entry


@click.command("cache", short_help="Look at, check or shrink the cache.")
@click.argument("action", type=click.Choice(("stat", "verify", "gc")))
@click.option("--max-size", metavar="SIZE", help="gc: what may stay at most, such as 5GB.")
@click.option("--dry-run", is_flag=True, help="gc: say what would go, and remove nothing.")
@common("human", "json")
def command(action: str, max_size: str | None, dry_run: bool) -> int:
    """Look at the cache, hash all that it holds, or remove what was used least recently.

    \b
    stat     how many entries of each kind, how large, when last used
    verify   hash every file of every entry; exit code 7 when one is damaged
    gc       remove the least recently used until --max-size is kept

    The cache is $EDGEC_CACHE, or edgec's folder in the user's cache. What a running build uses is never removed. A
    damaged entry is made anew by the next build that needs it.
    """
    from edgec.store.cache import default_folder

    if action == "gc" and max_size is None:
        raise click.UsageError("gc needs --max-size, such as --max-size 5GB (0 removes all that no build uses)")
    if action != "gc" and (max_size is not None or dry_run):
        raise click.UsageError(f"--max-size and --dry-run are gc's, not {action}'s")
    folder = default_folder()
    actions: dict[str, Callable[[], int]] = {
        "stat": lambda: _stat(folder),
        "verify": lambda: _verify(folder),
        "gc": lambda: _collect(folder, _bytes(max_size or ""), dry_run),
    }
    return actions[action]()


def _stat(folder: Path) -> int:
    from edgec.store.cache import refusals
    from edgec.store.housekeeping import entries, leases

    with refusals(f"read {folder}", "not-readable"):
        found, builds = entries(folder), len(leases(folder))
    kinds: dict[str, list[Entry]] = {}
    for entry in found:
        kinds.setdefault(entry.kind, []).append(entry)
    total = _sum(found)
    if output().format == "json":
        rows = [{"kind": kind, "entries": len(of), "bytes": _sum(of), "last_used": _last(of)} for kind, of in kinds.items()]
        return _tell([], folder=str(folder), kinds=rows, entries=len(found), bytes=total, builds=builds)
    from edgec.artifacts.measured import written
    from edgec.output.table import table

    cells = [(kind, str(len(of)), written(_sum(of), "bytes"), _last(of)) for kind, of in kinds.items()]
    lines = [f"cache  {folder}"]
    if cells:
        lines.append(table(("kind", "entries", "size", "last used"), cells, False).rstrip("\n"))
    lines.append(f"total  {len(found)} entries, {written(total, 'bytes')}; {builds} builds use it now")
    output().data("\n".join(lines))
    return 0


def _verify(folder: Path) -> int:
    from edgec.store.cache import refusals
    from edgec.store.housekeeping import damaged, entries

    with refusals(f"read {folder}", "not-readable"):
        found, count = damaged(folder), len(entries(folder))
    wrong = [
        Diagnostic(code="cache-damaged", message=f"the cache entry {entry.kind}/{entry.key} is damaged: {why}")
        for entry, why in found
    ]
    if output().format == "human":
        output().data(f"{count} entries hashed, {len(wrong)} damaged" + ("" if count else f" ({folder} holds none)"))
    return _tell(wrong, folder=str(folder), entries=count, damaged=len(wrong))


def _collect(folder: Path, most: int, dry: bool) -> int:
    from edgec.artifacts.measured import written
    from edgec.store.cache import Cache, refusals
    from edgec.store.housekeeping import collect

    with refusals(f"remove from {folder}"):
        done = collect(Cache(folder=folder), most, dry=dry)
    if output().format == "json":
        removed = [{"kind": entry.kind, "key": entry.key, "bytes": entry.bytes} for entry in done.removed]
        return _tell([], folder=str(folder), dry_run=dry, removed=removed, bytes_left=done.left_bytes, in_use=done.in_use)
    what = "would be removed" if dry else "removed"
    freed, left = written(_sum(list(done.removed)), "bytes"), written(done.left_bytes, "bytes")
    used = f"; {done.in_use} entries are in use and stay" if done.in_use else ""
    output().data(f"{len(done.removed)} entries {what}, {freed}; {left} left{used}")
    return 0


def _tell(diagnostics: list[Diagnostic], **facts: Any) -> int:
    code = exit_code(diagnostics)
    if output().format == "json":
        from edgec.output import json

        output().data(json.render(diagnostics, {}, code, cache=facts))
    else:
        output().findings(diagnostics, {})
    return code


def _bytes(text: str) -> int:
    from edgec.artifacts.quantity import QuantityError, quantity

    try:
        return 0 if text == "0" else int(quantity(text, "bytes"))
    except QuantityError as error:
        raise click.UsageError(f"--max-size {text!r}: {error}") from None


def _sum(entries: list[Entry]) -> int:
    return sum(entry.bytes for entry in entries)


def _last(entries: list[Entry]) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(max(entry.used for entry in entries), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
