"""What `--fail-on` names goes in, with a Difference; whether each threshold is kept, crossed or cannot be held comes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgec.artifacts.difference import Difference, FigureChange, Held, Threshold
from edgec.artifacts.measured import written
from edgec.artifacts.quantity import EXAMPLES, Kind, QuantityError, quantity
from edgec.diagnostics import nearest
from edgec.registry import names, plugin
from edgec.releases.figures import higher_is_better, main_metric

FIGURES = {"latency": "latency.p90", "memory": "memory.rss"}
"""The figure that is meant where only its kind is named."""

KINDS: dict[str, Kind] = {
    "accuracy": "figure",
    "latency": "duration",
    "throughput": "rate",
    "memory": "bytes",
    "size": "bytes",
    "load": "duration",
    "delegation": "share",
    "flips": "share",
    "classes": "share",
}
"""What a limit that is no percentage is written in, by the kind of threshold."""

WORDS = ("verdicts", "signature")
"""Thresholds without a limit: any budget with a worse verdict, any change of inputs, outputs or labels."""

POINTS = ("accuracy", "delegation", "classes", "flips")
"""Kinds whose percentages are percentage points; the others' are shares of the old figure."""


MOST = 8
"""So many budgets with a worse verdict are named, and the rest counted."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One threshold as it was written: ``figure`` is its name (``accuracy.top5``), ``kind`` the part before the point.

    ``limit`` is in base units, or a share of the old figure where ``relative``; ``plain`` where it has no unit, as of metrics
    that are no shares.
    """

    text: str
    figure: str
    kind: str
    limit: float
    relative: bool
    plain: bool


def asked(texts: Sequence[str]) -> tuple[Asked, ...]:
    """Return the thresholds of ``accuracy:0.5%,latency:10%,flips``; raises ValueError, with what is allowed, for any other.

    A text that names none is refused: it may be a variable that is not set, and holds nothing.
    """
    found = [[part.strip() for part in text.split(",") if part.strip()] for text in texts]
    if not all(found):
        raise ValueError(f"{texts[found.index([])]!r} names no threshold; there are {', '.join((*KINDS, *WORDS))}")
    return tuple(_asked(part) for parts in found for part in parts)


def _asked(text: str) -> Asked:
    name, colon, limit = text.partition(":")
    name, limit = name.strip(), limit.strip()
    kind = name.partition(".")[0]
    known = (*KINDS, *WORDS)
    if kind not in known:
        near = nearest(kind, known)
        raise ValueError(f"{text!r}: no threshold is called {kind!r}" + _meant(near, known))
    if kind in WORDS and (limit or "." in name):
        raise ValueError(f"{text!r}: {kind} takes no limit")
    if colon and not limit:
        raise ValueError(f"{text!r}: a limit is missing after the colon")
    relative = limit.endswith("%") and kind not in POINTS
    found = _limit(text, limit, kind, relative)
    points = bool(found) and kind in POINTS
    plain = points and not limit.endswith("%")
    share = _is_share(name) if kind == "accuracy" else True
    if plain and share:
        raise ValueError(f"{text!r}: {name} is a share, and {limit} has no unit; {_allowed(kind, points=True)}")
    if points and not plain and share is False:
        raise ValueError(f"{text!r}: {_no_share(name)}")
    return Asked(text=text, figure=name, kind=kind, limit=found, relative=relative, plain=plain)


def _is_share(figure: str) -> bool | None:
    """Whether a figure of accuracy is a share, by its name alone; None where that does not say."""
    metric = figure.partition(".")[2].partition("[")[0].removesuffix(".drop")
    return bool(plugin("metrics", metric).SHARE) if metric in names("metrics") else None


def _no_share(name: str) -> str:
    return f"{name} is no share, so it has no percentage points; write the limit as a plain number, like {name}:0.5"


def _meant(near: str | None, known: Sequence[str]) -> str:
    return f" (did you mean {near!r}?)" if near else f"; there are {', '.join(known)}"


def _limit(text: str, limit: str, kind: str, relative: bool) -> float:
    """The limit in base units; 0 where none is written: anything worse crosses it."""
    if not limit or limit.rstrip("%") == "0":
        return 0.0
    unit = KINDS[kind]
    try:
        # A growth may be above 100 %, a share may not; a number without unit is one for shares and metrics alone.
        plain = unit in ("share", "figure") and not limit.endswith("%")
        found = quantity(float(limit) if plain else limit, "figure" if relative else unit)
    except QuantityError as error:
        raise ValueError(f"{text!r}: {error}; {_allowed(kind)}") from None
    except ValueError:
        raise ValueError(f"{text!r}: {limit!r} is not a number; {_allowed(kind)}") from None
    if found < 0:
        raise ValueError(f"{text!r}: a limit is not below zero; {_allowed(kind)}")
    return found


def _allowed(kind: str, points: bool = False) -> str:
    """Say how a limit is written; of accuracy as a plain number too, unless it is in ``points`` alone."""
    if kind in POINTS:
        plain = ", or as a plain number where the metric is no share" if kind == "accuracy" and not points else ""
        return f"write it like {kind}:0.5%, in percentage points{plain}"
    return f"write it like {kind}:5%, of the old figure, or {kind}:{EXAMPLES[KINDS[kind]]}"


def held(thresholds: Sequence[Asked], found: Difference, strict: bool = False) -> tuple[Threshold, ...]:
    """Hold each threshold against the figure that is shown; ``strict`` against the whole of its 95 % interval.

    What cannot be held is ``unknown``, with the reason.
    """
    return tuple(_held(item, found, strict) for item in thresholds)


def _held(item: Asked, found: Difference, strict: bool) -> Threshold:
    if item.kind == "verdicts":
        worse = [change.budget for change in found.verdicts if change.worse]
        more = f" and {len(worse) - MOST} more" if len(worse) > MOST else ""
        told = f"worse: {', '.join(worse[:MOST])}{more}" if worse else "no budget has a worse verdict"
        return _threshold(item, bool(worse), told)
    if item.kind == "signature":
        changed = [fact.name for fact in found.identity if fact.name.startswith(("input ", "output ", "labels"))]
        reason = f"changed: {', '.join(changed)}" if changed else "inputs, outputs and labels agree"
        return _threshold(item, bool(changed), reason)
    if item.kind == "flips":
        return _flips(item, found, strict)
    if item.kind == "classes":
        return _classes(item, found, strict)
    name = item.figure if "." in item.figure else FIGURES.get(item.kind, item.kind)
    if item.figure == "accuracy":
        name = main_metric(found.figures) or "accuracy"
    return _figure(item, name, found.figure(name), strict)


def _threshold(item: Asked, crossed: bool, reason: str) -> Threshold:
    return Threshold(text=item.text, held="crossed" if crossed else "kept", reason=reason)


def _unknown(item: Asked, why: str) -> Threshold:
    held: Held = "unknown"
    return Threshold(text=item.text, held=held, reason=why)


def _figure(item: Asked, name: str, figure: FigureChange | None, strict: bool) -> Threshold:
    better = higher_is_better(name)
    if figure is None or better is None:
        return _unknown(item, f"no figure {name} on either side")
    if item.plain and figure.unit in ("share", "points"):
        return _unknown(item, f"{name} is a share, and the limit has no unit; {_allowed(item.kind, points=True)}")
    if item.kind == "accuracy" and item.limit and item.text.endswith("%") and figure.unit not in ("share", "points"):
        return _unknown(item, _no_share(name))
    if figure.change is None or figure.old is None:
        return _unknown(item, f"{name}: {figure.note}")
    sides = (figure.old.value, figure.change, *(figure.interval or ()))
    if not all(map(math.isfinite, sides)):
        return _unknown(item, f"{name}: it is not a finite number")
    if item.relative and figure.relative is None:
        return _unknown(item, f"{name}: the old figure is 0, and a percentage of it is no limit")
    scale = abs(figure.old.value) if item.relative else 1.0
    change = figure.relative if item.relative and figure.relative is not None else figure.change
    worst = change
    told = f"{name} {_told(item, figure)}"
    if figure.interval is not None:
        ends = [bound / scale for bound in figure.interval]
        told += f" (95 % interval {_amount(item, figure, ends[0])} to {_amount(item, figure, ends[1])})"
        worst = (min(ends) if better else max(ends)) if strict else worst
    elif strict and (figure.old.clocked or figure.name.startswith("accuracy.")):
        return _unknown(item, f"{told}: without an interval, which --strict holds limits against")
    return _threshold(item, _above(-worst if better else worst, item.limit), told)


def _above(loss: float, limit: float) -> bool:
    """Whether a loss is above the limit by more than the roundings of a difference of floats."""
    return loss > limit + 1e-12 and not math.isclose(loss, limit, rel_tol=1e-9)


def _told(item: Asked, figure: FigureChange) -> str:
    assert figure.old is not None and figure.new is not None and figure.change is not None
    change = figure.relative if item.relative and figure.relative is not None else figure.change
    sides = f"{written(figure.old.value, figure.unit)} → {written(figure.new.value, figure.unit)}"
    return f"{sides}, {_amount(item, figure, change)}"


def _amount(item: Asked, figure: FigureChange, change: float) -> str:
    return f"{100 * change:+.1f} %" if item.relative else signed(change, figure.unit)


def signed(change: float, unit: str) -> str:
    """Return a change as people write it: ``+0.25 pp``, ``-1.2 ms``."""
    if unit in ("share", "points"):
        return f"{100 * change:+.2f} pp"
    return f"{'-' if change < 0 else '+'}{written(abs(change), unit)}"


def _flips(item: Asked, found: Difference, strict: bool) -> Threshold:
    decisions = found.decisions
    if decisions is None:
        return _unknown(item, found.samples.refused or "the task decides on no class")
    import numpy as np

    from edgec.metrics.interval import share_interval

    count, total = len(decisions.flips), decisions.common
    bounds = share_interval(np.array([1.0] * count + [0.0] * (total - count)))
    worst = bounds[1] if strict and bounds else count / total
    reason = f"{count} of {total} samples ({100 * count / total:.2f} %) are decided differently"
    if strict and bounds:
        reason += f", at most {100 * bounds[1]:.2f} % by the 95 % interval"
    return _threshold(item, _above(worst, item.limit), reason)


def _classes(item: Asked, found: Difference, strict: bool) -> Threshold:
    """Held by the class that loses most; ``strict`` by the one whose paired interval reaches furthest."""
    if found.decisions is None or not found.decisions.classes:
        return _unknown(item, found.samples.refused or "the data has no labels, or the task decides on no class")
    from edgec.metrics.interval import paired_interval

    intervals = [paired_interval(entry.lost, entry.won, entry.samples) for entry in found.decisions.classes]
    losses = [(entry.old - entry.new) / entry.samples for entry in found.decisions.classes]
    ends = [high for _, high in intervals] if strict else losses
    index = max(range(len(ends)), key=lambda place: ends[place])
    worst, (low, high) = found.decisions.classes[index], intervals[index]
    reason = f"{worst.label} {'may lose' if strict else 'loses'} most: {worst.old} → {worst.new} of {worst.samples} right, "
    reason += f"{100 * (worst.new - worst.old) / worst.samples:+.2f} pp"
    if strict:
        reason += f" (95 % interval {-100 * high:+.2f} pp to {-100 * low:+.2f} pp)"
    return _threshold(item, _above(ends[index], item.limit), reason)
