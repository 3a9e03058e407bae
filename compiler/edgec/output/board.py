"""How far many builds have come: a live table in a terminal, plain lines everywhere else; both on standard error."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgec.artifacts.plan import Plan
from edgec.commands.options import Output
from edgec.output.human import printable

if TYPE_CHECKING:
    from rich.console import Group

Say = Callable[[str], None]
Watch = Callable[[Plan, str], None]

FINISHED = {"unchanged": "green", "built": "green", "rejected": "red", "failed": "red"}
WAITING = "waiting"
FRAME_LINES = 6
"""Lines of the terminal that the rows leave free."""


@dataclass(kw_only=True)
class Row:
    """One target of one manifest: the step that it is in, since when, and how long it took once it is finished."""

    name: str
    step: str = WAITING
    since: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Board:
    """All rows by (manifest, target); many threads write, the terminal reads."""

    rows: dict[tuple[str, str], Row]
    guard: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, plan: Plan, step: str) -> None:
        """Note that a target has come to ``step``, one of FINISHED at its end."""
        with self.guard:
            row = self.rows.get(plan.goal)
            if row is None or row.step in FINISHED:
                return
            now = time.monotonic()
            row.since = row.since or now
            row.step, row.seconds = step, now - row.since

    def table(self, height: int) -> Group:
        """Return what the terminal shows: how many are finished, then those at work, then the last that finished."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        with self.guard:
            rows = [Row(**vars(row)) for row in self.rows.values()]
        shown = Table(box=None, pad_edge=False, show_header=False)
        busy = [row for row in rows if row.step not in FINISHED and row.step != WAITING]
        done = sorted((row for row in rows if row.step in FINISHED), key=lambda row: row.since + row.seconds, reverse=True)
        for row in [*busy, *done][: max(1, height - FRAME_LINES)]:
            seconds = row.seconds if row.step in FINISHED else time.monotonic() - row.since
            style = FINISHED.get(row.step, "cyan")
            shown.add_row(Text(printable(row.name)), Text(printable(row.step), style=style), Text(f"{seconds:.0f} s"))
        return Group(Text(self.title(rows)), shown)

    def title(self, rows: Sequence[Row]) -> str:
        """Return the counts, such as ``12 of 200 targets finished, 1 failed, 2 at work``."""
        done = [row for row in rows if row.step in FINISHED]
        bad = sum(FINISHED[row.step] == "red" for row in done)
        busy = sum(row.step not in FINISHED and row.step != WAITING for row in rows)
        return f"{len(done)} of {len(rows)} targets finished" + (f", {bad} failed" if bad else "") + f", {busy} at work"


@contextlib.contextmanager
def board(plans: Sequence[Plan], out: Output) -> Iterator[tuple[Say, Watch]]:
    """Give what a build calls with its lines and steps: they move a live table where there are several targets and a
    terminal, and are printed line by line elsewhere."""
    found = Board(rows={plan.goal: Row(name=f"{plan.name} {plan.version} for {plan.target.name}") for plan in plans})
    if len(found.rows) < 2 or out.quiet or not _terminal(out):
        yield out.say, lambda plan, step: None
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, no_color=not out.colour(sys.stderr), highlight=False)
    with Live(
        get_renderable=lambda: found.table(console.height), console=console, refresh_per_second=4, transient=True
    ):
        yield lambda line: None, found.watch


def _terminal(out: Output) -> bool:
    import os

    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
