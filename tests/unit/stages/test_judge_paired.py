"""Drops and flips are judged by their interval, an open one says how many samples would settle it, and slices one by one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edgec.artifacts.manifest import Budget, Slice
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.quantity import stated
from edgec.artifacts.slices import condensed, notes, spelled_out, standing
from edgec.metrics.interval import discordance, hours_for_rate, paired_drop, poisson_interval, share_interval
from edgec.stages.judge import judge, rounded, samples_needed, shortfalls, smallest_relaxation


def budget(sense, limit, part=None):
    return Budget(
        kind="accuracy", statistic="top1", sense=sense, limit=limit, text=f"{100 * limit:g}%",
        route=("budgets", "accuracy", sense), slice=part,
    )  # fmt: skip


def drop_figure(lost, won, count, name="accuracy.top1.drop"):
    before = np.array([1.0] * lost + [0.0] * won + [1.0] * (count - lost - won))
    after = np.array([0.0] * lost + [1.0] * won + [1.0] * (count - lost - won))
    value, interval = paired_drop(before, after)
    return Figure(
        name=name, value=value, unit="points", evidence="host", samples=count, interval=interval,
        detail=discordance(before, after),
    )  # fmt: skip


def flips_figure(changed, count, name="accuracy.flips"):
    scores = np.array([1.0] * changed + [0.0] * (count - changed))
    return Figure(
        name=name, value=changed / count, unit="share", evidence="host", samples=count, interval=share_interval(scores)
    )


def one(limit, *figures):
    (found,) = judge(SimpleNamespace(budgets=(limit,), target=SimpleNamespace(kind="linux-native")), Measured(figures=figures))
    return found


@pytest.mark.parametrize(("changed", "status"), [(0, "met"), (8, "inconclusive"), (60, "missed")])
def test_flips_are_judged_by_their_interval(changed, status):
    assert one(budget("max_flips", 0.02), flips_figure(changed, 500)).status == status


def test_gains_and_losses_cancel_in_a_drop_and_not_in_flips():
    drop, flips = drop_figure(30, 30, 1000), flips_figure(60, 1000)
    assert one(budget("max_drop", 0.02), drop).status == "met"
    assert one(budget("max_flips", 0.02), flips).status == "missed"


def test_flips_over_a_handful_of_samples_are_inconclusive():
    assert one(budget("max_flips", 0.5), flips_figure(0, 29)).status == "inconclusive"


def test_an_open_drop_says_how_many_samples_would_settle_it():
    found = one(budget("max_drop", 0.01), drop_figure(6, 3, 797))
    assert found.status == "inconclusive"
    needed = samples_needed(found.budget, found.figure)
    assert f"about {rounded(needed):,} samples in all would settle it; 797 given" in found.reason
    assert 797 < needed < 100_000


@pytest.mark.parametrize("figure", [drop_figure(10, 0, 1000), flips_figure(10, 1000)])
def test_on_the_limit_no_number_of_samples_would_do(figure):
    found = one(budget("max_drop" if "drop" in figure.name else "max_flips", 0.01), figure)
    assert found.status == "inconclusive"
    assert "no number of samples" in found.reason


def test_the_number_for_flips_of_pixels_is_that_of_their_shares():
    """Each picture has about 2 % of flipped pixels: its share says much more than one flip of a whole sample would."""
    shares = np.clip(np.random.default_rng(0).normal(0.019, 0.01, 100), 0, 1)
    deviation = float(shares.std(ddof=1))
    half = 1.96 * deviation / 10
    figure = Figure(
        name="accuracy.flips", value=0.019, unit="share", evidence="host", samples=100, interval=(0.019 - half, 0.019 + half),
        detail={"deviation": deviation},
    )  # fmt: skip
    found = one(budget("max_flips", 0.02), figure)
    assert found.status == "inconclusive"
    needed = samples_needed(found.budget, figure)
    assert needed == pytest.approx((2.8016 * deviation / 0.001) ** 2, rel=0.01) and needed < 1000


def resampled_drop(value, high, count):
    """A drop of mIoU with what its bootstrap samples gave."""
    return Figure(
        name="accuracy.miou.drop", value=value, unit="points", evidence="host", samples=count,
        interval=(2 * value - high, high), detail={"deviation": (high - value) / 1.96 * count**0.5},
    )  # fmt: skip


@pytest.mark.parametrize(("count", "status"), [(29, "inconclusive"), (99, "inconclusive"), (100, "met")])
def test_a_bootstrapped_drop_is_met_from_100_samples_on(count, status):
    found = one(replace(budget("max_drop", 0.02), statistic="miou"), resampled_drop(0.005, 0.015, count))
    assert found.status == status
    assert status == "met" or "are needed" in found.reason
    assert count != 99 or found.reason.endswith("of so few the interval is often too short; 100 are needed")


def test_a_bootstrapped_drop_is_missed_before_and_one_that_straddles_asks_for_100_or_more():
    limit = replace(budget("max_drop", 0.02), statistic="miou")
    assert one(limit, resampled_drop(0.05, 0.06, 40)).status == "missed"
    figure = resampled_drop(0.0, 0.021, 40)
    assert one(limit, figure).status == "inconclusive" and samples_needed(limit, figure) == 100


def test_near_the_limit_the_number_is_bounded():
    figure = drop_figure(10_001, 0, 1_000_000)
    found = one(budget("max_drop", 0.01), figure)
    assert samples_needed(found.budget, figure) is None
    assert "no reasonable number of samples" in found.reason


def test_a_missed_paired_limit_asks_for_what_its_interval_proves():
    figure = flips_figure(60, 500)
    assert smallest_relaxation(one(budget("max_flips", 0.02), figure)) == (figure.interval[1], "share")


def test_rounding_an_estimate():
    assert [rounded(count) for count in (7, 99, 101, 2_053, 14_501)] == [7, 99, 110, 2_100, 15_000]


CLASSES = tuple(f"c{index}" for index in range(12))
EACH = Slice(by="class")


def sliced(values, limit=0.8, count=40):
    budgets = spelled_out([budget("min", limit, EACH)], CLASSES[: len(values)])
    figures = tuple(
        Figure(name=f"accuracy.top1[class {name}]", value=value, unit="share", evidence="host", samples=count)
        for name, value in zip(CLASSES, values, strict=False)
    )
    plan = SimpleNamespace(target=SimpleNamespace(name="here", kind="linux-native"), manifest="m.yaml", budgets=budgets)
    return plan, judge(plan, Measured(figures=figures))


def test_each_slice_has_its_own_verdict_by_its_own_name():
    _, verdicts = sliced([0.9, 0.5, 0.8])
    assert {verdict.budget.name: verdict.status for verdict in verdicts} == {
        "accuracy.top1.min[class c0]": "met",
        "accuracy.top1.min[class c1]": "missed",
        "accuracy.top1.min[class c2]": "met",
    }


def test_a_slice_with_few_samples_is_inconclusive_and_says_how_many_would_do():
    _, (verdict,) = sliced([0.1], count=12)
    assert verdict.status == "inconclusive"
    assert "12 samples; 30 are needed" in verdict.reason


def test_a_class_without_a_sample_is_open_not_met():
    plan, _ = sliced([0.9, 0.9])
    (_, verdict) = judge(plan, Measured(figures=(Figure(name="accuracy.top1[class c0]", value=0.9, unit="share",
                                                        evidence="host", samples=40),)))  # fmt: skip
    assert verdict.status == "inconclusive"
    assert "no evaluation sample" in verdict.reason


def test_a_class_with_its_own_limit_keeps_it():
    own = budget("min", 0.3, Slice(by="class", name="c1"))
    found = spelled_out([budget("min", 0.8, EACH), own, budget("max_drop", 0.1, EACH)], CLASSES[:3])
    limits = {item.name: item.limit for item in found}
    assert limits["accuracy.top1.min[class c1]"] == 0.3
    assert limits["accuracy.top1.min[class c0]"] == limits["accuracy.top1.min[class c2]"] == 0.8
    assert len(found) == len(limits) == 6


def test_people_are_shown_the_worst_slices_and_how_many_are_left():
    _, verdicts = sliced([0.5 + index / 100 for index in range(10)] + [0.9, 0.95])
    standings = [standing(verdict) for verdict in verdicts]
    shown, rest = condensed(standings)
    assert shown == list(range(8))
    assert notes(standings, rest) == ["accuracy.top1.min by class: 2 missed, 2 met more"]


def test_of_slices_that_are_all_met_the_worst_is_shown():
    _, verdicts = sliced([0.95, 0.81, 0.9])
    standings = [standing(verdict) for verdict in verdicts]
    assert condensed(standings)[0] == [1]


def test_many_missed_slices_are_not_as_many_diagnostics():
    plan, verdicts = sliced([0.1] * 12)
    found = shortfalls(plan, verdicts, strict=False)
    assert len(found) == 4
    assert {item.code for item in found} == {"budget-missed"}
    assert found[-1].message == "here: accuracy.top1.min by class: 9 missed more"


def rate_figure(events, minutes):
    hours = minutes / 60
    low, high = poisson_interval(events)
    return Figure(
        name="accuracy.far-per-hour", value=events / hours, unit="", evidence="host", samples=int(minutes * 240),
        interval=(low / hours, high / hours), detail={"events": events, "hours": hours},
    )  # fmt: skip


def rate_budget(limit):
    return Budget(
        kind="accuracy", statistic="far-per-hour", sense="max", limit=limit, text=f"{limit:g}", route=("budgets", "accuracy")
    )


@pytest.mark.parametrize(
    ("events", "minutes", "status"),
    [(0, 2, "inconclusive"), (0, 4, "met"), (1, 6, "met"), (2, 6, "inconclusive"), (9, 6, "inconclusive"), (20, 6, "missed")],
)
def test_few_events_in_a_short_recording_say_little(events, minutes, status):
    verdict = one(rate_budget(60), rate_figure(events, minutes))
    assert verdict.status == status
    assert f"{events} in {minutes} minutes" in verdict.reason
    assert ("would settle it" in verdict.reason) == (status == "inconclusive")


@pytest.mark.parametrize("events", [1, 7, 13, 34, 70])
def test_the_time_that_would_settle_a_rate_is_more_and_likely_does(events):
    given = events / 50  # hours: 50 an hour, near the limit of 60
    needed = hours_for_rate(events / given, 60, given)
    assert needed is not None and needed > given
    most = round(50 * needed)
    while poisson_interval(most + 1)[1] <= 60 * needed:
        most += 1
    assert np.mean(np.random.default_rng(0).poisson(50 * needed, 10_000) <= most) > 0.75


@pytest.mark.parametrize(("rate", "settled"), [(0, True), (30, True), (57, False), (60, False), (63, False), (90, True)])
def test_rates_too_near_the_limit_are_not_waited_for(rate, settled):
    assert (hours_for_rate(rate, 60, 0.05) is not None) == settled


def test_a_limit_of_no_event_is_about_the_data():
    assert one(rate_budget(0), rate_figure(0, 2)).status == "met"
    assert one(rate_budget(0), rate_figure(1, 2)).status == "missed"


def test_a_missed_rate_is_relaxed_to_the_end_of_its_interval():
    verdict = one(rate_budget(60), rate_figure(20, 6))
    limit, unit = smallest_relaxation(verdict)
    assert one(rate_budget(float(stated(limit, unit, up=True))), rate_figure(20, 6)).status == "met", "as it is written"
