"""Plain tables for terminals: columns as wide as their widest cell, colour only where asked for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

GREEN, RED, YELLOW, CYAN, BOLD, RESET = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[1m", "\x1b[0m"
STATUS = {
    **dict.fromkeys(("winner", "met", "kept", "built", "unchanged"), GREEN),
    **dict.fromkeys(("failed", "rejected", "missed", "crossed", "unknown"), RED),
    "inconclusive": YELLOW,
    "deferred": CYAN,
}


def table(header: Sequence[str], rows: Sequence[Sequence[str]], colour: bool = False, indent: str = "  ") -> str:
    """Return lines of left-aligned columns under ``header``; cells that name a verdict are coloured."""
    widths = [max(width(row[index]) for row in (header, *rows)) for index in range(len(header))]
    lines = [_line(header, widths, indent, BOLD if colour else "")]
    lines += [_line(row, widths, indent, "", colour) for row in rows]
    return "\n".join(lines) + "\n"


def paint(text: str, style: str, colour: bool) -> str:
    """Return ``text`` in ``style`` when ``colour`` is on."""
    return f"{style}{text}{RESET}" if colour and style else text


def _line(cells: Sequence[str], widths: Sequence[int], indent: str, style: str, colour: bool = False) -> str:
    padded = [
        paint(cell, STATUS.get(cell, ""), colour) + " " * (wide - width(cell))
        for cell, wide in zip(cells, widths, strict=True)
    ]
    text = indent + "  ".join(padded).rstrip()
    return f"{style}{text}{RESET}" if style else text


def width(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes (Unicode Standard Annex 11: wide characters take two)."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, widest: int) -> str:
    """Return ``text`` in at most ``widest`` columns, its middle left out where it takes more."""
    if width(text) <= widest:
        return text
    return f"{_start(text, widest // 2 - 1)}…{_start(text[::-1], widest // 2)[::-1]}"


def _start(text: str, widest: int) -> str:
    """The first characters that fit."""
    taken = 0
    for place, char in enumerate(text):
        taken += width(char)
        if taken > widest:
            return text[:place]
    return text
