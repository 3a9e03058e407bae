"""The order of versions: Semantic Versioning 2.0.0, section 11."""

from __future__ import annotations

Precedence = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def precedence(version: str) -> Precedence:
    """Return a key by which versions sort; a release comes after its pre-releases, build metadata does not count.

    Raises ValueError where ``version`` does not start with numbers.
    """
    core, _, pre = version.partition("+")[0].partition("-")
    numbers = tuple(int(number) for number in core.split("."))
    return numbers, not pre, tuple(_identifier(part) for part in pre.split(".")) if pre else ()


def _identifier(part: str) -> tuple[bool, int, str]:
    """Numbers sort by value and below words; words sort by their ASCII bytes."""
    return (False, int(part), "") if part.isascii() and part.isdigit() else (True, 0, part)
