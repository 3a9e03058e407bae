"""Figures, each with the evidence it rests on, and the verdicts drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Budget

Evidence = Literal["device", "host", "emulated", "artifact", "estimated", "none"]
Status = Literal["met", "missed", "inconclusive", "deferred"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number in base units (seconds, hertz, bytes, share of 1, or the metric's own), and where it came from.

    ``clocked`` is True where a clock or the operating system measured it: such figures never enter the tarball.
    """

    name: str
    value: float
    unit: str
    evidence: Evidence
    samples: int | None = None
    interval: tuple[float, float] | None = None
    clocked: bool = False
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All figures of one plan, by name (``accuracy.top1``, ``latency.p90``, ``memory.rss``, ``size`` …)."""

    figures: tuple[Figure, ...]

    def get(self, name: str) -> Figure | None:
        """Return the figure of that name, or None."""
        return next((figure for figure in self.figures if figure.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One budget held against one figure; ``reason`` is a sentence a person reads."""

    budget: Budget
    status: Status
    reason: str
    figure: Figure | None
