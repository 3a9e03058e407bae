"""How far one step of a compilation may be from the step before it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What a recipe allows at one boundary: least SQNR (dB), largest error (share of the largest value), least agreement."""

    sqnr: float
    relative_error: float
    agreement: float
