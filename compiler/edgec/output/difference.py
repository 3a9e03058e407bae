"""What changed between two releases, for people: in a terminal, and in Markdown for a pull request."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from edgec.artifacts.difference import Difference
from edgec.output.fitting import SHOWN, fitting
from edgec.output.human import printable
from edgec.output.sections import Section, headline, sections
from edgec.output.table import BOLD, paint, table, width

WIDTH, NARROWEST = 100, 30
"""Columns of a terminal that text is wrapped for, and the fewest that a cell is given."""

HELD = {"kept": "✓ kept", "crossed": "✗ crossed", "unknown": "? not held"}


def human(found: Difference, colour: bool) -> str:
    """Return the headline, the notes and a table a section, wrapped for WIDTH columns."""
    notes = "".join(f"  {line}\n" for note in found.notes for line in _wrapped(printable(note), WIDTH - 2))
    made = sections(found)
    blocks = [paint(printable(headline(found)), BOLD, colour) + "\n" + notes, *(_block(section, colour) for section in made)]
    return "\n".join(blocks) + ("" if made else "  nothing differs\n")


def _block(section: Section, colour: bool) -> str:
    text = paint(section.title, BOLD, colour) + "\n"
    if section.rows:
        rows = [tuple(printable(cell) for cell in row) for row in section.rows]
        text += table(section.header, [part for row in rows for part in _narrowed(row, rows)], colour)
    return text + "".join(f"  {part}\n" for line in section.lines for part in _wrapped(printable(line), WIDTH - 2))


def _narrowed(row: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The row, its last cell in as many lines as WIDTH asks for."""
    before = sum(max(width(other[index]) for other in rows) + 2 for index in range(len(row) - 1))
    first, *more = _wrapped(row[-1], WIDTH - 2 - before) or [""]
    return [(*row[:-1], first), *((*[""] * (len(row) - 1), line) for line in more)]


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, max(columns, NARROWEST), break_on_hyphens=False)


def markdown(found: Difference) -> str:
    """Return the same as Markdown; sections of detail fold, what text holds of markup is shown as it is.

    It is no longer than GitHub takes of a comment: of what has no room the number is told.
    """
    text = "\n".join([f"### {_literal(headline(found))}\n", *(f"> {_literal(note)}\n" for note in found.notes)])
    made = sections(found)
    for index, section in enumerate(made):
        room = SHOWN - len(text)
        if room < LEAST:
            return f"{text}\n{len(made) - index} more sections: `edgec diff` prints them\n"
        text += "\n" + _titled(section, room)
    return text + ("" if made else "\nNothing differs.\n")


FOLDED = ("size", "operators", "identity", "dependencies and toolchain", "inputs")


LEAST = 1_000
"""Characters that a section is given at least; what a table and its title take beside its lines is less than half of that."""


def _titled(section: Section, room: int) -> str:
    body = _body(section, room - LEAST // 2)
    if section.title not in FOLDED:
        return f"**{section.title}**\n\n{body}"
    return f"<details><summary>{section.title} ({len(section.rows)} changed)</summary>\n\n{body}\n</details>\n"


def _body(section: Section, room: int) -> str:
    """The sentences have at most half of the room, and the rows the rest."""
    lines, more = fitting([f"{_literal(line)}  " for line in section.lines], room // 2, "edgec diff")
    below = "".join(f"{line}\n" for line in (*lines, *([more] if more else [])))
    if not section.rows:
        return below
    rows = [_row([_literal(_marked(section, cell)) for cell in row]) for row in section.rows]
    shown, more = fitting(rows, room - len(below), "edgec diff")
    table = [_row(section.header), _row(["---"] * len(section.header)), *shown]
    return "".join(f"{line}\n" for line in (*table, "", *([more, ""] if more else []))) + below


def _marked(section: Section, cell: str) -> str:
    return HELD.get(cell, cell) if section.title == "thresholds" else cell


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell or ' ' for cell in cells)} |"


def _literal(text: str) -> str:
    """Text as Markdown and HTML show it literally, on one line; a name in it notifies nobody."""
    plain = " ".join(printable(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", plain).replace("@", "&#64;")
