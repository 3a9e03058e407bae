"""The figures of two releases go in; pairs that may be compared come out, and why the others may not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from edgec.artifacts.difference import FigureChange
from edgec.artifacts.evidence import RANKS
from edgec.artifacts.release import Reading, Release
from edgec.metrics.interval import paired_drop
from edgec.registry import names, plugin
from edgec.releases.decisions import Paired

HIGHER_IS_BETTER = {"throughput": True, "delegation": True, "size": False, "load": False, "throttling": False}
FOLLOW = (".fp32", ".drop")
"""Figures that go with a metric's own: eager fp32's, and the drop against it."""


def figure_changes(old: Release, new: Release, pair: Paired | None) -> tuple[FigureChange, ...]:
    """Return one FigureChange for every figure of either, the strongest evidence that both have of it."""
    found = dict.fromkeys(reading.name for side in (old, new) for reading in side.readings)
    return tuple(_change(name, old, new, pair) for name in found)


def _change(name: str, old: Release, new: Release, pair: Paired | None) -> FigureChange:
    before, after = _strongest(name, old, new)
    known = before or after
    assert known is not None, "a figure's name comes from a reading of one of the two"
    bare = FigureChange(name=name, unit=known.unit, old=before, new=after)
    if before is None or after is None:
        return replace(bare, note=f"only the {'new' if before is None else 'old'} one has it")
    if why := _not_comparable(before, after, old, new):
        return replace(bare, note=why)
    change = after.value - before.value
    compared = replace(bare, change=change, relative=change / abs(before.value) if before.value else None)
    if before.clocked:
        compared = replace(compared, interval=_widest(before, after), note=_caution(before))
    elif name.startswith("accuracy."):
        compared = _paired(compared, old, new, pair)
    better = higher_is_better(name)
    moved = compared.change or 0.0
    return replace(compared, worse=None if better is None or moved == 0 else (moved < 0) == better)


def _strongest(name: str, old: Release, new: Release) -> tuple[Reading | None, Reading | None]:
    """The readings of that name with the strongest kind of evidence that both have; else each one's own strongest."""
    sides = [{item.evidence: item for item in side.readings if item.name == name} for side in (old, new)]
    for kind in reversed(RANKS):
        if kind in sides[0] and kind in sides[1]:
            return sides[0][kind], sides[1][kind]
    best = [side[max(side, key=RANKS.index)] if side else None for side in sides]
    return best[0], best[1]


def _not_comparable(before: Reading, after: Reading, old: Release, new: Release) -> str:
    """Why a difference of the two would say nothing, or ""."""
    if before.evidence != after.evidence:
        return f"{before.evidence} against {after.evidence}: not compared"
    if before.unit != after.unit:
        return f"in {before.unit or 'no unit'} and in {after.unit or 'no unit'}: not compared"
    if not before.clocked:
        return ""
    if old.target != new.target:
        return "of different targets: not compared"
    if before.cpu != after.cpu:
        return f"clocked on {before.cpu or 'an unknown processor'} and on {after.cpu or 'an unknown processor'}: not compared"
    if before.threads != after.threads:
        return f"clocked with {before.threads} and with {after.threads} threads: not compared"
    return ""


def _caution(reading: Reading) -> str:
    return "" if reading.cpu else "which machines clocked them is not recorded"


def _widest(before: Reading, after: Reading) -> tuple[float, float] | None:
    """The change's bounds where each run's own percentile may lie anywhere in its interval."""
    if before.interval is None or after.interval is None:
        return None
    return after.interval[0] - before.interval[1], after.interval[1] - before.interval[0]


def _paired(figure: FigureChange, old: Release, new: Release, pair: Paired | None) -> FigureChange:
    """Give the change over the common samples, with its paired interval, where both kept that metric's scores."""
    metric = figure.name.removeprefix("accuracy.")
    if metric.endswith(FOLLOW) or "[" in metric:
        return figure
    before, after = old.evaluated, new.evaluated
    kept = before is not None and after is not None and metric in before.scores and metric in after.scores
    if pair is None or before is None or after is None or not kept:
        return replace(figure, note="not paired sample by sample")
    import numpy as np

    one = np.array([before.scores[metric][index] for index in pair.old], "float64")
    two = np.array([after.scores[metric][index] for index in pair.new], "float64")
    fall, (low, high) = paired_drop(one, two, shares=metric in names("metrics") and plugin("metrics", metric).SHARE)
    change = -fall if fall else 0.0
    whole = len(pair.old) == len(before.samples) == len(after.samples)
    note = "" if whole else f"the change is over the {len(pair.old)} common samples"
    bounds = (-high, -low) if math.isfinite(low) and math.isfinite(high) else None
    relative = change / abs(float(one.mean())) if one.mean() else None
    return replace(figure, change=change, relative=relative, interval=bounds, note=note)


def higher_is_better(name: str) -> bool | None:
    """Return whether more of a figure is better, None where it is neither (eager fp32's own, counts of a metric unknown)."""
    kind, _, rest = name.partition(".")
    kind = kind.partition("[")[0]
    if kind == "accuracy":
        metric = rest.partition("[")[0]
        if metric.endswith(".fp32"):
            return None
        if metric == "flips" or metric.endswith(".drop"):
            return False
        return bool(plugin("metrics", metric).HIGHER_IS_BETTER) if metric in names("metrics") else None
    if kind in ("latency", "memory"):
        return False
    return HIGHER_IS_BETTER.get(kind)


def main_metric(figures: Sequence[FigureChange]) -> str | None:
    """Return the name of the first figure of accuracy, which is the task's own metric (``accuracy.top1``)."""
    return next((item.name for item in figures if item.name.startswith("accuracy.")), None)
