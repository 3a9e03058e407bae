"""Lines go in; as many as a comment on GitHub has room for come out, and a word on how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 65_000
"""GitHub refuses comments above 65,536 characters."""

TOLD = 80
"""Characters that the word on the rest takes at most."""


def fitting(lines: Sequence[str], room: int, command: str) -> tuple[list[str], str]:
    """Return the first lines, each with its break, that fit into ``room`` characters, and where more are what prints them.

    What is returned is never longer than ``room``, unless that is less than TOLD.
    """
    if sum(len(line) + 1 for line in lines) <= room:
        return list(lines), ""
    shown: list[str] = []
    room -= TOLD
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    return shown, f"{len(lines) - len(shown)} more: `{command}` prints them"
