"""Where a figure comes from, weakest first, and how much it weighs against another."""

from __future__ import annotations

from edgec.artifacts.document import Json

RANKS = ("none", "estimated", "artifact", "emulated", "host", "device")
"""Kinds of evidence, the weakest first (docs/bundle.md)."""


def strength(verdict: dict[str, Json] | None) -> tuple[int, int]:
    """Return how much a verdict's evidence weighs: a weaker kind never stands in for a stronger one, whatever its samples."""
    if verdict is None:
        return (-1, 0)
    return (RANKS.index(verdict["evidence"]), verdict.get("samples") or 0)
