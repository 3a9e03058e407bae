"""What `--fail-on` names is held against what changed; what cannot be held is not taken for kept."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bundle_parts import TARGET
from edgec.artifacts.difference import ClassChange, Decisions, FigureChange, VerdictChange
from edgec.artifacts.measured import Figure
from edgec.artifacts.release import Reading
from edgec.releases.compare import difference
from edgec.releases.figures import higher_is_better
from edgec.releases.read import read_release
from edgec.releases.thresholds import asked, held
from release_parts import TRUTH, evaluated, figures, flipped, latency, release


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    """From one hundred right to three lost and one class worse, a fifth slower, a tenth larger, and half delegated."""
    place = tmp_path_factory.mktemp("releases")
    size = Figure(name="size", value=1430, unit="bytes", evidence="artifact")
    delegation = Figure(name="delegation", value=0.5, unit="share", evidence="artifact")
    old = release(place / "old", evaluated(), figures(latency(0.010)))
    new = release(
        place / "new", evaluated(flipped(0, 2, 4)), figures(latency(0.012), size, delegation, accuracy=0.97),
        states={"size": "missed"}, version="1.1.0",
    )  # fmt: skip
    return difference(read_release(old.tarball), read_release(new.tarball))


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("accuracy:2.9%", "crossed"), ("accuracy:3%", "kept"), ("accuracy:0", "crossed"), ("accuracy", "crossed"),
        ("accuracy.top1:2%", "crossed"), ("accuracy.top5:2%", "unknown"),
        ("latency:19%", "crossed"), ("latency:20%", "kept"), ("latency:1ms", "crossed"), ("latency:3ms", "kept"),
        ("latency.p50:1%", "kept"), ("latency.p75:1%", "unknown"),
        ("size:9.9%", "crossed"), ("size:10%", "kept"), ("size:200B", "kept"), ("size:100B", "crossed"), ("size:200%", "kept"),
        ("flips:2.9%", "crossed"), ("flips:3%", "kept"), ("flips", "crossed"),
        ("classes:5.9%", "crossed"), ("classes:6%", "kept"),
        ("delegation:48%", "crossed"), ("delegation:49%", "kept"),
        ("throughput:1%", "kept"), ("memory:0%", "kept"), ("memory.planned:1%", "unknown"), ("load:1%", "unknown"),
        ("verdicts", "crossed"), ("signature", "kept"),
    ],
)  # fmt: skip
def test_the_figure_decides(found, text: str, state: str) -> None:
    (threshold,) = held(asked([text]), found)
    assert threshold.held == state, threshold.reason
    assert threshold.text == text and threshold.reason


@pytest.mark.parametrize(
    ("text", "state"),
    [("accuracy:3%", "crossed"), ("accuracy:10%", "kept"), ("latency:25%", "crossed"), ("latency:40%", "kept"),
     ("flips:3%", "crossed"), ("flips:10%", "kept"), ("throughput:1%", "unknown"), ("size:10%", "kept"),
     ("classes:6%", "crossed"), ("classes:14%", "crossed"), ("classes:20%", "kept")],
)  # fmt: skip
def test_strict_holds_the_whole_interval(found, text: str, state: str) -> None:
    (threshold,) = held(asked([text]), found, strict=True)
    assert threshold.held == state, threshold.reason


def test_strict_holds_the_class_that_may_lose_most(found) -> None:
    """Not the one that lost most, of many samples, but the one whose few leave more open; McNemar's pairs decide."""
    many = ClassChange(label="many", samples=1000, old=1000, new=900, lost=100, won=0)
    few = ClassChange(label="few", samples=5, old=5, new=5, lost=0, won=0)
    decisions = Decisions(common=1005, flips=(), classes=(many, few), p_value=0.0)
    given = replace(found, decisions=decisions)
    (plain,), (strict,) = held(asked(["classes:15%"]), given), held(asked(["classes:15%"]), given, strict=True)
    assert (plain.held, plain.reason) == ("kept", "many loses most: 1000 → 900 of 1000 right, -10.00 pp")
    assert (strict.held, strict.reason) == (
        "crossed", "few may lose most: 5 → 5 of 5 right, +0.00 pp (95 % interval -39.60 pp to +39.60 pp)"
    )  # fmt: skip


def test_flips_at_the_limit_keep_it(found) -> None:
    """Whatever the last bit of the limit is."""
    for count, total in ((7, 1000), (29, 100), (57, 100), (1, 3000)):
        flips = tuple(found.decisions.flips[:1]) * count
        decisions = Decisions(common=total, flips=flips, classes=(), p_value=None)
        at, below = (replace(item, limit=count / total * (1 - step)) for item in asked(["flips:1%"]) for step in (1e-13, 1e-6))
        given = held([at, below], replace(found, decisions=decisions))
        assert [threshold.held for threshold in given] == ["kept", "crossed"]
    decisions = Decisions(common=1000, flips=tuple(found.decisions.flips[:1]) * 7, classes=(), p_value=None)
    assert held(asked(["flips:0.7%"]), replace(found, decisions=decisions))[0].held == "kept"


def test_of_many_worse_verdicts_some_are_named(found) -> None:
    worse = tuple(
        VerdictChange(budget=f"b{index}", old_text="1%", old_status="met", new_text="1%", new_status="missed", worse=True)
        for index in range(20)
    )
    (threshold,) = held(asked(["verdicts"]), replace(found, verdicts=worse))
    assert threshold.held == "crossed" and threshold.reason == "worse: b0, b1, b2, b3, b4, b5, b6, b7 and 12 more"


def clocked(old: float, new: float) -> FigureChange:
    """A latency that lay between 8 and 14 ms in both runs."""
    sides = [
        Reading(name="latency.p90", value=value, unit="s", evidence="host", clocked=True, interval=(0.008, 0.014))
        for value in (old, new)
    ]
    change, bounds = new - old, (-0.006, 0.006)
    return FigureChange(
        name="latency.p90", unit="s", old=sides[0], new=sides[1], change=change, relative=change / old, interval=bounds
    )


def test_strict_holds_the_interval_of_a_figure_that_did_not_move(found) -> None:
    """As a share of the old figure too: an interval in seconds is below any percentage."""
    for figure in (clocked(0.010, 0.010), clocked(0.010, 0.010001)):
        given = asked(["latency:10%", "latency:59%", "latency:61%", "latency:5ms"])
        thresholds = held(given, replace(found, figures=(figure,)), strict=True)
        assert [threshold.held for threshold in thresholds] == ["crossed", "crossed", "kept", "crossed"]
        assert "-60.0 % to +60.0 %" in thresholds[0].reason


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("old", "new"), [(0.010, math.nan), (math.inf, 0.010), (0.010, math.inf), (0.010, -math.inf)])
def test_what_is_no_finite_number_is_not_taken_for_kept(found, old: float, new: float, strict: bool) -> None:
    thresholds = held(asked(["latency:10%", "latency:5ms"]), replace(found, figures=(clocked(old, new),)), strict)
    assert {threshold.held for threshold in thresholds} == {"unknown"} and "finite" in thresholds[0].reason


def test_what_is_better_crosses_nothing(found, tmp_path: Path) -> None:
    slow = release(tmp_path / "one", evaluated(flipped(0, 2)), figures(latency(0.012), accuracy=0.98))
    fast = release(tmp_path / "two", evaluated(), figures(latency(0.010)))
    better = difference(read_release(slow.tarball), read_release(fast.tarball))
    texts = "accuracy,latency,size,delegation,classes,verdicts,signature"
    assert {threshold.held for threshold in held(asked([texts]), better)} == {"kept"}


def test_clocks_of_two_machines_hold_nothing(tmp_path: Path) -> None:
    one = release(tmp_path / "one", None, figures(latency(0.010)))
    two = release(tmp_path / "two", None, figures(latency(0.005, cpu="Another")))
    found = difference(read_release(one.tarball), read_release(two.tarball))
    by_text = {threshold.text: threshold for threshold in held(asked(["latency:10%", "flips:1%"]), found)}
    assert by_text["latency:10%"].held == "unknown" and "Another" in by_text["latency:10%"].reason
    assert by_text["flips:1%"].held == "unknown" and "keeps no decisions" in by_text["flips:1%"].reason


def test_a_signature_that_changed_is_crossed(tmp_path: Path) -> None:
    one = release(tmp_path / "one", evaluated())
    two = release(tmp_path / "two", evaluated(TRUTH), labels=("0", "one"), target=TARGET)
    found = difference(read_release(one.tarball), read_release(two.tarball))
    (threshold,) = held(asked(["signature"]), found)
    assert threshold.held == "crossed" and "labels" in threshold.reason


def test_several_are_named_in_one_option_or_in_many() -> None:
    assert [item.text for item in asked(["accuracy:1%, size:5%,", "flips"])] == ["accuracy:1%", "size:5%", "flips"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acuracy:1%", "did you mean 'accuracy'"),
        ("beauty:1%", "there are accuracy, latency"),
        ("latency:10", "has no unit; write it like latency:5%, of the old figure, or latency:100ms"),
        ("latency:10parsec", "unknown unit"),
        ("size:-5%", "not below zero"),
        ("flips:", "a limit is missing"),
        ("verdicts:1%", "takes no limit"),
        ("accuracy:high", "is not a number; write it like accuracy:0.5%"),
        ("accuracy:nan", "not a finite number"),
        ("flips:2", "not a share"),
        ("flips:1", "flips is a share, .* write it like flips:0.5%, in percentage points$"),
        ("flips:0.01", "in percentage points"),
        ("classes:1", "in percentage points"),
        ("delegation:1", "in percentage points"),
        ("accuracy.sqnr:1%", "accuracy.sqnr is no share, .* a plain number, like accuracy.sqnr:0.5"),
        ("accuracy.top1:1", "accuracy.top1 is a share, .* in percentage points$"),
        ("accuracy.top1[folder night]:0.5", "in percentage points"),
        ("accuracy.miou.drop:1", "in percentage points"),
        ("", "names no threshold; there are accuracy"),
        (" , ", "names no threshold"),
    ],
)
def test_what_is_no_threshold_is_refused_with_what_is(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked([text])


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("throughput", True), ("throughput.pipeline", True), ("throughput.pipeline[after 10min]", True),
        ("throughput[after 2s]", True), ("latency.pipeline.p90[after 10min]", False), ("latency.pre.p50", False),
        ("throttling[after 10min]", False),
        ("accuracy.miou", True), ("accuracy.miou.drop", False), ("accuracy.miou[folder night]", True),
    ],
)  # fmt: skip
def test_which_way_is_better_whatever_is_timed_and_under_which_load(name, better):
    assert higher_is_better(name) is better


def test_a_threshold_may_name_a_figure_of_the_pipeline_after_a_load():
    (found,) = asked(["latency.pipeline.p90[after 10min]:10%"])
    assert (found.figure, found.kind) == ("latency.pipeline.p90[after 10min]", "latency")
    assert (found.limit, found.relative) == (0.1, True)


def test_a_variable_that_is_not_set_is_not_passed_over_beside_another() -> None:
    with pytest.raises(ValueError, match="'' names no threshold"):
        asked(["size:5%", ""])


def test_a_plain_number_is_held_against_metrics_that_are_no_shares(found) -> None:
    (threshold,) = held(asked(["accuracy:1"]), found)
    assert threshold.held == "unknown" and "accuracy.top1 is a share" in threshold.reason and "0.5%" in threshold.reason
    sides = [Reading(name="accuracy.sqnr", value=value, unit="dB", evidence="host") for value in (30.0, 29.0)]
    loss = FigureChange(name="accuracy.sqnr", unit="dB", old=sides[0], new=sides[1], change=-1.0, relative=-1 / 30)
    given = asked(["accuracy:0.5", "accuracy.sqnr:0.5", "accuracy.sqnr:1.5", "accuracy.sqnr:0%", "accuracy:1%"])
    thresholds = held(given, replace(found, figures=(loss,)))
    assert [threshold.held for threshold in thresholds] == ["crossed", "crossed", "kept", "crossed", "unknown"]
    assert "accuracy.sqnr is no share" in thresholds[-1].reason
