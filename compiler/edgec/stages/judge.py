"""Budgets held against figures: one verdict each, by the evidence that the figure carries (DESIGN section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgec.artifacts.benched import SHORT_LOAD
from edgec.artifacts.manifest import Budget
from edgec.artifacts.measured import SAMPLES_FOR, Evidence, Figure, Measured, Status, Verdict, told_apart, written
from edgec.artifacts.plan import Plan
from edgec.artifacts.quantity import span, stated
from edgec.artifacts.slices import TOLD, condensed, notes, standing
from edgec.diagnostics import Diagnostic, Location
from edgec.metrics.interval import hours_for_rate, samples_for_drop, samples_for_share
from edgec.registry import bundle_kind, plugin

FEWEST_SAMPLES = 30
"""Below this many samples no accuracy, and no drop, is judged: the standard error is above 5 percentage points at 90 %."""

FEWEST_RESAMPLED = 100
"""Below this many samples no drop of a resampled metric is met: its interval ends too low (docs/decisions/accuracy-drop.md)."""

ENOUGH: dict[str, tuple[Evidence, ...]] = {
    "accuracy": ("device", "host", "emulated"),
    "latency": ("device", "host"),
    "throughput": ("device", "host"),
    "memory": ("device", "host"),
    "size": ("artifact",),
    "delegation": ("artifact",),
}
"""Evidence that may meet a budget of each kind; ``host`` figures of a foreign target's speed are never made at all."""


DETERMINED = ("accuracy", "size", "delegation")
"""Kinds that every build measures: never deferred."""

PAIRED = ("max_drop", "max_flips")
"""Limits against fp32 on the same samples: judged by an interval, not by the figure alone."""


def judge(plan: Plan, measured: Measured) -> tuple[Verdict, ...]:
    """Return one verdict per budget of the plan, in its order."""
    kind = bundle_kind(plan.target.kind)
    return tuple(_verdict(budget, measured, kind.PLANNED, _later(budget, kind.JUDGES, kind.RUNNER)) for budget in plan.budgets)


def _later(budget: Budget, judges: bool, runner: bool) -> str:
    """Say who measures a budget that nothing here has measured."""
    if not judges:
        return BY_USER
    if budget.after > SHORT_LOAD:
        return AFTER_LOAD.format(span(budget.after))
    return ON_DEVICE if runner else BY_SCRIPT


ON_DEVICE = "not measured on this machine: the bundle judges it on the device before it activates"
AFTER_LOAD = (
    "takes {} of load: `verify.sh --sustained` measures it on the device, `edgec build --sustained` on a machine of its kind"
)
BY_SCRIPT = "not measured on this machine: the bundle's verify.sh judges it on the device"
BY_USER = "not measured on this machine, and not by this kind of bundle: measure it on the device"


def _verdict(budget: Budget, measured: Measured, planned: str = "", later: str = ON_DEVICE) -> Verdict:
    if budget.kind == "memory" and (settled := _planned_memory(budget, measured, planned)):
        return settled
    figure = measured.get(figure_name(budget))
    if figure is None and budget.slice:
        reason = f"no evaluation sample that {budget.statistic} could judge is in this slice; {FEWEST_SAMPLES} are needed"
        return Verdict(budget=budget, status="inconclusive", reason=reason, figure=None)
    if figure is None and budget.kind in DETERMINED:
        raise LookupError(f"no figure for {budget.name}, which every build can measure")
    if figure is None or figure.evidence not in ENOUGH[budget.kind]:
        return Verdict(budget=budget, status="deferred", reason=later, figure=None)
    judged = _paired if budget.sense in PAIRED else _counted if _is_rate(budget, figure) else _limit
    status, reason = judged(budget, figure)
    return Verdict(budget=budget, status=status, reason=reason, figure=figure)


def figure_name(budget: Budget) -> str:
    """Return the name of the figure that a budget is held against (``accuracy.top1[class 7]``, ``latency.p90`` …)."""
    if budget.kind == "accuracy":
        drop = ".drop" if budget.sense == "max_drop" else ""
        name = "accuracy.flips" if budget.sense == "max_flips" else f"accuracy.{budget.statistic}{drop}"
        return f"{name}[{budget.slice.by} {budget.slice.name}]" if budget.slice else name
    if budget.kind in ("latency", "throughput"):
        return budget.name
    return "memory.rss" if budget.kind == "memory" else budget.kind


def _planned_memory(budget: Budget, measured: Measured, planned: str) -> Verdict | None:
    """Judge what the artifact plans, where that settles it.

    ``planned`` names the figure of a device whose memory is all planned: it meets or misses the budget. Elsewhere planned
    memory above the limit refuses the build, since the runner cannot need less than its own arenas.
    """
    if planned:
        figure = measured.get(planned)
        if figure is None or (figure.evidence == "estimated" and figure.value <= budget.limit):
            return None
        status, reason = _limit(budget, figure)
        return Verdict(budget=budget, status=status, reason=reason, figure=figure)
    figure = measured.get("memory.planned")
    if figure is None or figure.value <= budget.limit:
        return None
    reason = f"planned arenas and weights alone need {written(figure.value, figure.unit)}"
    return Verdict(budget=budget, status="missed", reason=reason, figure=figure)


def _limit(budget: Budget, figure: Figure) -> tuple[Status, str]:
    """Judge a figure by itself: the evaluation data is what the limit is about, so only too few samples leave it open."""
    value = written(figure.value, figure.unit)
    needed = SAMPLES_FOR.get(budget.statistic, 0) if budget.kind == "latency" else 0
    if budget.kind == "accuracy":
        needed = FEWEST_SAMPLES
    if figure.samples is not None and figure.samples < needed:
        return "inconclusive", f"{value} over {_samples(figure.samples)}; {needed} are needed"
    fits = figure.value >= budget.limit if budget.sense == "min" else figure.value <= budget.limit
    side = "at least" if budget.sense == "min" else "at most"
    if fits:
        return "met", f"{value}, {side} {budget.text} asked"
    return "missed", f"{told_apart(figure.value, budget.limit, figure.unit)}, {side} {budget.text} asked"


def _paired(budget: Budget, figure: Figure) -> tuple[Status, str]:
    """Judge a drop or flips by the 95 % interval: wholly inside is met, wholly outside missed, else inconclusive."""
    if figure.samples is not None and figure.samples < FEWEST_SAMPLES:
        value = written(figure.value, figure.unit)
        return "inconclusive", f"{value} over {_samples(figure.samples)}; {FEWEST_SAMPLES} are needed"
    low, high = figure.interval or (figure.value, figure.value)
    unit = figure.unit
    interval = f"95 % interval {written(low, unit)} to {written(high, unit)}, {figure.samples} samples"
    shown = f"{written(figure.value, unit)} ({interval})"
    few = figure.samples is not None and figure.samples < FEWEST_RESAMPLED
    if few and high <= budget.limit and _resampled(budget):
        return "inconclusive", f"{shown}: of so few the interval is often too short; {FEWEST_RESAMPLED} are needed"
    return _by_interval(budget, low, high, shown, lambda: _enough(budget, figure))


def _resampled(budget: Budget) -> bool:
    """Whether the limit is on a drop whose interval comes from bootstrap samples."""
    return budget.sense == "max_drop" and getattr(plugin("metrics", budget.statistic), "RESAMPLED", False)


def _by_interval(budget: Budget, low: float, high: float, shown: str, enough: Callable[[], str]) -> tuple[Status, str]:
    """Judge an upper limit by an interval; ``enough`` says what would settle one that straddles it."""
    if low <= budget.limit < high:
        return "inconclusive", f"{shown} straddles {budget.text}: {enough()}"
    return ("met" if high <= budget.limit else "missed"), f"{shown}, at most {budget.text} asked"


def _is_rate(budget: Budget, figure: Figure) -> bool:
    """Whether the figure counts events in a time. No time shows that there never are any: a limit of 0 is about the data."""
    return "events" in figure.detail and budget.limit > 0


def _counted(budget: Budget, figure: Figure) -> tuple[Status, str]:
    """Judge a rate of events by its 95 % interval, as ``_paired`` does: a short recording without an event shows little."""
    assert figure.interval is not None
    low, high = figure.interval
    events, hours = int(figure.detail["events"]), float(figure.detail["hours"])
    seen = f"{events} in {60 * hours:.3g} minutes, 95 % interval {low:.3g} to {high:.3g} an hour"

    def enough() -> str:
        needed = hours_for_rate(figure.value, budget.limit, hours)
        if needed is None:
            return "it is so near the limit that no reasonable time would settle it"
        return f"about {rounded(math.ceil(60 * needed)):,} minutes in all would settle it"

    return _by_interval(budget, low, high, f"{written(figure.value, figure.unit)} ({seen})", enough)


def _samples(count: int) -> str:
    return f"{count} sample{'s' * (count != 1)}"


def _enough(budget: Budget, figure: Figure) -> str:
    """Say how many samples would settle a paired limit."""
    needed, given = samples_needed(budget, figure), figure.samples
    if needed is None and figure.value == budget.limit:
        return "the observed value is the limit itself, which no number of samples would settle"
    if needed is None:
        return "it is so near the limit that no reasonable number of samples would settle it"
    where = "of this slice" if budget.slice else "in all"
    return f"about {rounded(needed):,} samples {where} would settle it; {given} given"


def samples_needed(budget: Budget, figure: Figure) -> int | None:
    """Return how many samples would likely settle a ``max_drop`` or ``max_flips``; None where no number would."""
    count = figure.samples
    if count is None:
        return None
    spread = {name: float(value) for name, value in figure.detail.items() if isinstance(value, (int, float))}
    if budget.sense == "max_flips" and "deviation" not in spread:
        return samples_for_share(figure.value, count, budget.limit)
    needed = samples_for_drop(figure.value, spread, count, budget.limit) if spread else None
    return max(needed, FEWEST_RESAMPLED) if needed and _resampled(budget) else needed


def rounded(count: int) -> int:
    """Return ``count`` rounded up to two digits: it is an estimate."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step


def shortfalls(plan: Plan, verdicts: tuple[Verdict, ...], strict: bool) -> tuple[Diagnostic, ...]:
    """Return an error per missed budget, and a warning (an error when ``strict``) per inconclusive one.

    Of the slices of one limit the worst are told one by one, and the others as a number.
    """
    short = [verdict for verdict in verdicts if verdict.status in ("missed", "inconclusive")]
    standings = [standing(verdict) for verdict in short]
    shown, rest = condensed(standings, TOLD)
    found = [
        _short(plan, short[index], strict, f"{short[index].budget.name}: {short[index].reason}", _way_out(short[index]))
        for index in shown
    ]
    for left, note in zip(rest.values(), notes(standings, rest), strict=True):
        found.append(_short(plan, short[left[0]], strict, note, "measurements.json lists them all"))
    return tuple(found)


def overfull(plan: Plan, measured: Measured, strict: bool) -> tuple[Diagnostic, ...]:
    """Return a warning (an error when ``strict``) for each memory of the target that the bundle is too large for.

    Only kinds of bundles whose memory is all planned can tell; a program that is read in place is held against the flash.
    """
    planned, target = bundle_kind(plan.target.kind).PLANNED, plan.target
    if not planned:
        return ()
    rooms = (("RAM", measured.get(planned), target.memory), ("flash", measured.get("size"), target.flash))
    return tuple(
        Diagnostic(
            code="device-too-small",
            severity="error" if strict else "warning",
            message=f"{target.name} has {written(room, 'bytes')} of {what}; the bundle takes {written(figure.value, 'bytes')}",
            where=Location(file=plan.manifest, route=("targets",)),
            hint="take a smaller model or input, a delegate that keeps tensors in 8 bits, or a device with more",
        )
        for what, figure, room in rooms
        if figure is not None and room and figure.value > room
    )


def _short(plan: Plan, verdict: Verdict, strict: bool, message: str, hint: str | None) -> Diagnostic:
    missed = verdict.status == "missed"
    return Diagnostic(
        code="budget-missed" if missed else "budget-inconclusive",
        severity="error" if missed or strict else "warning",
        message=f"{plan.target.name}: {message}",
        where=Location(file=plan.manifest, route=verdict.budget.route),
        hint=hint,
    )


def _way_out(verdict: Verdict) -> str | None:
    """The smallest change of the limit that this figure would meet, as a manifest has it; None where there is none."""
    if verdict.status == "inconclusive":
        rate = verdict.figure is not None and "events" in verdict.figure.detail
        return "give longer recordings" if rate else "measure on more samples"
    value, unit = smallest_relaxation(verdict) or (math.inf, "")
    if not math.isfinite(value):
        return None
    return f"the smallest relaxation that would be met is {stated(value, unit, up=verdict.budget.sense != 'min')}"


def smallest_relaxation(verdict: Verdict) -> tuple[float, str] | None:
    """Return the limit, with its unit, that a missed budget would have met with this figure; None without a figure."""
    if verdict.figure is None:
        return None
    figure, budget = verdict.figure, verdict.budget
    by_interval = budget.sense in PAIRED or _is_rate(budget, figure)
    return (figure.interval[1] if by_interval and figure.interval else figure.value), figure.unit
