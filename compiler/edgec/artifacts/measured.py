"""Figures, each with the evidence it rests on, and the verdicts drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Budget

Evidence = Literal["device", "host", "emulated", "artifact", "estimated", "none"]
Status = Literal["met", "missed", "inconclusive", "deferred"]

SAMPLES_FOR = {"p50": 64, "p90": 64, "p95": 130, "p99": 662}
"""Samples that a latency percentile needs: MLPerf inference rules, single-stream, as DESIGN section 3 gives them."""


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


def written(value: float, unit: str, more: int = 0) -> str:
    """Return a figure as people write it: ``97.8 %``, ``2.13 ms``, ``1.05 MB``, ``412 fps``, or four digits and the unit.

    ``more`` digits are shown than people commonly want.
    """
    if unit == "share":
        return f"{100 * value:.{2 + more}f} %"
    if unit == "points":
        return f"{100 * value:+.{2 + more}f} pp"
    if unit == "s":
        return f"{_digits(1000 * value, 3 + more)} ms" if value < 1 else f"{_digits(value, 3 + more)} s"
    if unit == "bytes":
        for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
            if value >= size:
                return f"{value / size:.{2 + more}f} {name}"
        return f"{value:.{more}f} bytes"
    if unit == "Hz":
        return f"{_digits(value, 3 + more)} fps" if value < 1000 else f"{value:.{more}f} fps"
    if unit == "instructions":
        return f"{value / 1e6:.{1 + more}f} M instructions"
    return f"{value:.{4 + more}g} {unit}".rstrip()


def in_threads(count: int) -> str:
    """Return ``1 thread``, ``4 threads``."""
    return f"{count} thread{'' if count == 1 else 's'}"


def _digits(value: float, count: int) -> str:
    """``count`` digits, but never an exponent for what is just below 1,000."""
    text = f"{value:.{count}g}"
    return f"{value:.0f}" if "e+" in text else text


def told_apart(value: float, other: float, unit: str) -> str:
    """Return ``value`` as ``written`` does, with as many digits more as it takes to look unlike ``other``."""
    apart = (more for more in range(12) if _read(written(value, unit, more)) != _read(written(other, unit, more)))
    return written(value, unit, next(apart, 0))


def _read(text: str) -> float:
    """The number that ``written`` wrote, as a person reads it."""
    number, _, unit = text.partition(" ")
    return float(number) * (1000.0 if unit == "s" else 1.0)
