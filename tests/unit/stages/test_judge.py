"""No weaker evidence meets a budget, too few samples decide nothing, and a straddling interval is inconclusive."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.artifacts.manifest import Budget
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.quantity import quantity
from edgec.stages.judge import _verdict, judge, shortfalls

P90 = Budget(kind="latency", statistic="p90", sense="max", limit=0.1, text="100ms", route=("budgets",))
DROP = Budget(kind="accuracy", statistic="top1", sense="max_drop", limit=0.01, text="1%", route=("budgets",))
LEAST = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.85, text="85%", route=("budgets",))
MEMORY = Budget(kind="memory", statistic="", sense="max", limit=64e6, text="64MB", route=("budgets",))
SIZE = Budget(kind="size", statistic="", sense="max", limit=2e6, text="2MB", route=("budgets",))


def verdict(budget, *figures):
    return _verdict(budget, Measured(figures=figures))


def latency(seconds, evidence="host", samples=256):
    return Figure(name="latency.p90", value=seconds, unit="s", evidence=evidence, samples=samples, clocked=True)


def drop(value, low, high, samples=797):
    interval = (low, high)
    return Figure(name="accuracy.top1.drop", value=value, unit="points", evidence="host", samples=samples, interval=interval)


@pytest.mark.parametrize(("seconds", "status"), [(0.05, "met"), (0.1, "met"), (0.11, "missed")])
def test_a_latency_is_met_or_missed(seconds, status):
    assert verdict(P90, latency(seconds)).status == status


@pytest.mark.parametrize("evidence", ["emulated", "estimated", "artifact", "none"])
def test_weaker_evidence_defers_a_latency(evidence):
    assert verdict(P90, latency(0.001, evidence)).status == "deferred"


def test_what_was_not_measured_is_deferred():
    found = verdict(P90)
    assert found.status == "deferred"
    assert "device" in found.reason


def test_too_few_samples_decide_nothing():
    assert verdict(P90, latency(0.001, samples=63)).status == "inconclusive"
    assert verdict(P90, latency(0.5, samples=63)).status == "inconclusive"


@pytest.mark.parametrize(
    ("value", "low", "high", "status"),
    [(0.001, -0.002, 0.009, "met"), (0.005, -0.002, 0.012, "inconclusive"), (0.03, 0.011, 0.05, "missed")],
)
def test_a_drop_is_judged_by_its_interval(value, low, high, status):
    assert verdict(DROP, drop(value, low, high)).status == status


def test_a_drop_over_a_handful_of_samples_is_inconclusive():
    assert verdict(DROP, drop(0.0, 0.0, 0.0, samples=29)).status == "inconclusive"
    assert verdict(DROP, drop(0.5, 0.4, 0.6, samples=29)).status == "inconclusive"
    assert verdict(DROP, drop(0.0, 0.0, 0.0, samples=30)).status == "met"


def test_emulated_accuracy_counts():
    figure = Figure(name="accuracy.top1", value=0.9, unit="share", evidence="emulated", samples=100)
    assert verdict(LEAST, figure).status == "met"


def test_accuracy_over_a_handful_of_samples_is_inconclusive():
    figure = Figure(name="accuracy.top1", value=1.0, unit="share", evidence="host", samples=10)
    assert verdict(LEAST, figure).status == "inconclusive"


def test_planned_memory_refuses_but_never_meets():
    planned = Figure(name="memory.planned", value=70e6, unit="bytes", evidence="artifact")
    assert verdict(MEMORY, planned).status == "missed"
    small = Figure(name="memory.planned", value=1e6, unit="bytes", evidence="artifact")
    assert verdict(MEMORY, small).status == "deferred"


def test_size_is_read_off_the_artifact():
    assert verdict(SIZE, Figure(name="size", value=2e6, unit="bytes", evidence="artifact")).status == "met"
    assert verdict(SIZE, Figure(name="size", value=2e6 + 1, unit="bytes", evidence="artifact")).status == "missed"


@pytest.mark.parametrize("budget", [SIZE, LEAST, DROP])
def test_what_every_build_can_measure_is_never_deferred(budget):
    with pytest.raises(LookupError):
        verdict(budget)


def plan_for(*budgets):
    target = SimpleNamespace(name="jetson-nano", kind="linux-native")
    return SimpleNamespace(target=target, manifest="camera.yaml", budgets=budgets)


def codes(figure, budget, strict=False):
    plan = plan_for(budget)
    verdicts = judge(plan, Measured(figures=(figure,)))
    return [(found.code, found.severity, found.hint) for found in shortfalls(plan, verdicts, strict)]


def test_a_missed_budget_is_an_error_that_names_the_smallest_relaxation():
    ((code, severity, hint),) = codes(latency(0.25), P90)
    assert (code, severity) == ("budget-missed", "error")
    assert hint.endswith("is 250ms")


def test_a_missed_drop_asks_for_what_its_interval_proves():
    ((_, _, hint),) = codes(drop(0.03, 0.011, 0.05), DROP)
    assert hint.endswith("is 5.00%")


def test_an_inconclusive_budget_warns_and_fails_under_strict():
    straddling = drop(0.005, -0.002, 0.012)
    assert codes(straddling, DROP)[0][:2] == ("budget-inconclusive", "warning")
    assert codes(straddling, DROP, strict=True)[0][:2] == ("budget-inconclusive", "error")


def test_met_and_deferred_say_nothing():
    assert codes(latency(0.05), P90) == []
    assert codes(latency(0.05, "emulated"), P90) == []


THROUGHPUT = Budget(kind="throughput", statistic="", sense="min", limit=1e9, text="1e9fps", route=("budgets",))
SQNR = Budget(kind="accuracy", statistic="sqnr", sense="min", limit=1e6, text="1e6", route=("budgets",))
ERROR = Budget(kind="accuracy", statistic="mae", sense="max", limit=0, text="0", route=("budgets",))
MISSABLE = {
    "latency": (P90, "latency.p90", "s", "duration"),
    "throughput": (THROUGHPUT, "throughput", "Hz", "rate"),
    "size": (SIZE, "size", "bytes", "bytes"),
    "share": (replace(LEAST, limit=1.0, text="100%"), "accuracy.top1", "share", "figure"),
    "decibel": (SQNR, "accuracy.sqnr", "dB", "figure"),
    "error": (ERROR, "accuracy.mae", "", "figure"),
    "drop": (replace(DROP, limit=0.0, text="0%"), "accuracy.top1.drop", "points", "figure"),
}


@given(st.sampled_from(sorted(MISSABLE)), st.floats(1e-4, 0.9999), st.integers(0, 6))
def test_the_relaxation_that_is_named_is_met_as_a_manifest_has_it(which, share, power):
    budget, name, unit, kind = MISSABLE[which]
    value = share if unit in ("share", "points") else share * 10.0**power
    if which in ("latency", "size"):
        value = budget.limit * (1 + value)
    interval = (value / 2, value) if unit == "points" else None
    figure = Figure(name=name, value=value, unit=unit, evidence="host", samples=1000, interval=interval, clocked=unit == "s")
    figure = replace(figure, evidence="artifact") if which == "size" else figure
    ((code, _, hint),) = codes(figure, budget)
    assert code == "budget-missed"
    text = hint.removeprefix("the smallest relaxation that would be met is ")
    limit = quantity(text if text[-1].isalpha() or text.endswith("%") else float(text), kind)
    assert verdict(replace(budget, limit=limit, text=text), figure).status == "met"


def test_a_figure_just_beyond_its_limit_does_not_look_like_it():
    figure = Figure(name="accuracy.top1", value=20 / 33, unit="share", evidence="host", samples=33)
    assert verdict(replace(LEAST, limit=0.6061, text="60.61%"), figure).reason == "60.606 %, at least 60.61% asked"
    assert verdict(SIZE, Figure(name="size", value=2e6 + 1, unit="bytes", evidence="artifact")).reason.startswith("2.000001 MB")


def test_what_no_limit_would_meet_suggests_none():
    figure = Figure(name="accuracy.mae", value=float("inf"), unit="", evidence="host", samples=100)
    assert codes(figure, ERROR)[0][2] is None
