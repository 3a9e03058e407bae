"""Budgets held against figures: one verdict each, by the evidence that the figure carries (DESIGN section 3)."""

from __future__ import annotations

from edgec.artifacts.manifest import Budget
from edgec.artifacts.measured import SAMPLES_FOR, Evidence, Figure, Measured, Status, Verdict, written
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic, Location

FEWEST_SAMPLES = 30
"""Below this many samples no accuracy, and no drop, is judged: the standard error is above 5 percentage points at 90 %."""

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


def judge(plan: Plan, measured: Measured) -> tuple[Verdict, ...]:
    """Return one verdict per budget of the plan, in its order."""
    return tuple(_verdict(budget, measured) for budget in plan.budgets)


def _verdict(budget: Budget, measured: Measured) -> Verdict:
    if budget.kind == "memory" and (refused := _planned_memory(budget, measured)):
        return refused
    figure = measured.get(figure_name(budget))
    if figure is None and budget.kind in DETERMINED:
        raise LookupError(f"no figure for {budget.name}, which every build can measure")
    if figure is None or figure.evidence not in ENOUGH[budget.kind]:
        where = "not measured on this machine: the bundle judges it on the device before it activates"
        return Verdict(budget=budget, status="deferred", reason=where, figure=None)
    status, reason = _drop(budget, figure) if budget.sense == "max_drop" else _limit(budget, figure)
    return Verdict(budget=budget, status=status, reason=reason, figure=figure)


def figure_name(budget: Budget) -> str:
    """Return the name of the figure that a budget is held against (``accuracy.top1``, ``latency.p90``, ``size`` …)."""
    if budget.kind == "accuracy":
        return f"accuracy.{budget.statistic}" + (".drop" if budget.sense == "max_drop" else "")
    return {"latency": f"latency.{budget.statistic}", "memory": "memory.rss"}.get(budget.kind, budget.kind)


def _planned_memory(budget: Budget, measured: Measured) -> Verdict | None:
    """Planned memory above the limit refuses the build anywhere: the runner cannot need less than its own arenas."""
    planned = measured.get("memory.planned")
    if planned is None or planned.value <= budget.limit:
        return None
    reason = f"planned arenas and weights alone need {written(planned.value, planned.unit)}"
    return Verdict(budget=budget, status="missed", reason=reason, figure=planned)


def _limit(budget: Budget, figure: Figure) -> tuple[Status, str]:
    value = written(figure.value, figure.unit)
    needed = SAMPLES_FOR.get(budget.statistic, 0) if budget.kind == "latency" else 0
    if budget.kind == "accuracy":
        needed = FEWEST_SAMPLES
    if figure.samples is not None and figure.samples < needed:
        return "inconclusive", f"{value} over {figure.samples} samples; {needed} are needed"
    fits = figure.value >= budget.limit if budget.sense == "min" else figure.value <= budget.limit
    side = "at least" if budget.sense == "min" else "at most"
    return ("met" if fits else "missed"), f"{value}, {side} {budget.text} asked"


def _drop(budget: Budget, figure: Figure) -> tuple[Status, str]:
    """Judge a drop by its paired 95 % interval: wholly inside is met, wholly outside missed, else inconclusive."""
    if figure.samples is not None and figure.samples < FEWEST_SAMPLES:
        value = written(figure.value, figure.unit)
        return "inconclusive", f"{value} over {figure.samples} samples; {FEWEST_SAMPLES} are needed"
    low, high = figure.interval or (figure.value, figure.value)
    unit = figure.unit
    interval = f"95 % interval {written(low, unit)} to {written(high, unit)}, {figure.samples} samples"
    spread = f"{written(figure.value, unit)} ({interval})"
    if high <= budget.limit:
        return "met", f"{spread}, at most {budget.text} asked"
    if low > budget.limit:
        return "missed", f"{spread}, at most {budget.text} asked"
    return "inconclusive", f"{spread} straddles {budget.text}: more evaluation samples would settle it"


def shortfalls(plan: Plan, verdicts: tuple[Verdict, ...], strict: bool) -> tuple[Diagnostic, ...]:
    """Return an error per missed budget, and a warning (an error when ``strict``) per inconclusive one."""
    found = []
    for verdict in verdicts:
        if verdict.status not in ("missed", "inconclusive"):
            continue
        missed = verdict.status == "missed"
        found.append(
            Diagnostic(
                code="budget-missed" if missed else "budget-inconclusive",
                severity="error" if missed or strict else "warning",
                message=f"{plan.target.name}: {verdict.budget.name}: {verdict.reason}",
                where=Location(file=plan.manifest, route=verdict.budget.route),
                hint=_relaxation(verdict) if missed else "measure on more samples",
            )
        )
    return tuple(found)


def _relaxation(verdict: Verdict) -> str | None:
    """The smallest change of the limit that this figure would meet; None where there is no figure."""
    if verdict.figure is None:
        return None
    figure = verdict.figure
    value = figure.interval[1] if verdict.budget.sense == "max_drop" and figure.interval else figure.value
    return f"the smallest relaxation that would be met is {written(value, figure.unit)}"
