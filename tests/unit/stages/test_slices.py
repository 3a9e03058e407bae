"""Slices from the manifest's text to figures and tables: by class, by folder, named or each, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgec.artifacts.manifest import Budget, Choice, Slice
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.outcome import Outcome
from edgec.artifacts.records import _budget, verdict_record
from edgec.artifacts.samples import NO_CLASS, Evaluation
from edgec.artifacts.slices import condensed, folders, members, notes, recorded_standing, standing, within
from edgec.output.outcomes import _block
from edgec.stages.judge import figure_name, judge
from edgec.stages.measure import evaluation_figures
from edgec.stages.parse import _accuracy

TASK = Choice(name="classification", options={"labels": ["cat", "dog", "fox"]})
LABELS = ("cat", "dog", "fox")


def parsed(**fields):
    return {budget.name: budget for budget in _accuracy(fields, ("budgets", "accuracy"), TASK)}


def test_a_list_of_slices_with_the_limits_of_each():
    found = parsed(
        min=0.9,
        slices=[
            {"by": "class", "min": "80%", "max_drop": "3%"},
            {"by": "class", "classes": ["fox", 7], "max_flips": "10%"},
            {"by": "folder", "folders": ["night", "rain/heavy/"], "min": "70%"},
        ],
    )
    assert list(found) == [
        "accuracy.top1.min",
        "accuracy.top1.min[class *]",
        "accuracy.top1.max_drop[class *]",
        "accuracy.top1.max_flips[class fox]",
        "accuracy.top1.max_flips[class 7]",
        "accuracy.top1.min[folder night]",
        "accuracy.top1.min[folder rain/heavy]",
    ]
    assert found["accuracy.top1.max_drop[class *]"].limit == 0.03
    assert found["accuracy.top1.min[folder night]"].route == ("budgets", "accuracy", "slices", 2, "min")


def test_one_slice_needs_no_list():
    (found,) = parsed(slices={"by": "class", "min": "80%"}).values()
    assert found.route == ("budgets", "accuracy", "slices", "min")


@pytest.mark.parametrize(
    ("folder", "sample", "inside"),
    [
        ("night", "cat/night/a.png", True),
        ("night", "night/a.png", True),
        ("night", "cat/night/b/a.png", True),
        ("night", "cat/tonight/a.png", False),
        ("night", "cat/night", False),
        ("cat/night", "cat/night/a.png", True),
        ("a.png", "cat/a.png", False),
    ],
)
def test_a_folder_holds_what_lies_below_it(folder, sample, inside):
    assert within(folder, sample) is inside


def test_folders_are_those_that_samples_lie_in():
    assert folders(["cat/night/a.png", "dog/b.png", "c.png"]) == ["cat", "dog", "night"]


def evaluation():
    """Sixty samples: eager is right on all; the artifact takes every third dog for a fox, and all of them by night."""
    classes = np.arange(60) % 3
    times = ["night" if index < 12 else "day" for index in range(60)]
    reference = np.eye(3, dtype=np.float32)[classes]
    guesses = classes.copy()
    wrong = [index for index in range(60) if classes[index] == 1 and (index % 9 == 1 or times[index] == "night")]
    guesses[wrong] = 2
    return Evaluation(
        ids=tuple(f"{LABELS[c]}/{time}/{index}.png" for index, (c, time) in enumerate(zip(classes, times, strict=True))),
        outputs=(np.eye(3, dtype=np.float32)[guesses],),
        reference=(reference,),
        labels=classes,
    )


def budget(sense, part=None, limit=0.5, statistic="top1"):
    return Budget(
        kind="accuracy", statistic=statistic, sense=sense, limit=limit, text="50%", route=("budgets", "accuracy", sense),
        slice=part,
    )  # fmt: skip


def plan(*budgets):
    target = SimpleNamespace(name="here", kind="linux-native")
    return SimpleNamespace(task=TASK, labels=LABELS, inputs=(), budgets=budgets, manifest="m.yaml", target=target)


DOG, NIGHT = Slice(by="class", name="dog"), Slice(by="folder", name="night")


def test_members_are_positions():
    found = evaluation()
    assert members(DOG, found.ids, found.labels, LABELS).tolist() == list(range(1, 60, 3))
    assert members(NIGHT, found.ids, found.labels, LABELS).tolist() == list(range(12))
    assert members(Slice(by="class", name="wolf"), found.ids, found.labels, LABELS).size == 0
    assert members(DOG, found.ids, None, LABELS).size == 0


def test_figures_of_a_slice_are_those_of_its_samples_alone():
    asked = plan(budget("min", DOG), budget("max_drop", NIGHT), budget("max_flips", DOG), budget("max_flips"))
    found = {figure.name: figure for figure in evaluation_figures(asked, evaluation())}
    dogs = found["accuracy.top1[class dog]"]
    assert dogs.samples == 20
    assert dogs.value == pytest.approx(found["accuracy.top1.fp32[class dog]"].value - found["accuracy.flips[class dog]"].value)
    assert found["accuracy.top1.drop[folder night]"].samples == 12
    assert found["accuracy.top1.drop[folder night]"].detail == {"lost": 4, "won": 0}
    assert found["accuracy.flips"].samples == 60
    assert all(figure_name(item) in found for item in asked.budgets)


def test_without_such_budgets_no_figure_is_added():
    names = {figure.name for figure in evaluation_figures(plan(budget("min")), evaluation())}
    assert names == {
        "accuracy.top1", "accuracy.top1.fp32", "accuracy.top1.drop", "accuracy.agreement", "accuracy.agreement.fp32",
        "accuracy.agreement.drop", "accuracy.sqnr",
    }  # fmt: skip


def test_flips_need_no_labels():
    unlabelled = Evaluation(**{**vars(evaluation()), "labels": None})
    found = {figure.name for figure in evaluation_figures(plan(budget("max_flips")), unlabelled)}
    assert "accuracy.flips" in found
    assert "accuracy.top1" not in found


def test_a_budget_on_the_whole_is_recorded_as_ever():
    assert _budget(budget("min")) == {
        "name": "accuracy.top1.min", "kind": "accuracy", "statistic": "top1", "sense": "min", "limit": 0.5, "text": "50%"
    }  # fmt: skip
    assert _budget(budget("min", DOG))["slice"] == {"by": "class", "name": "dog"}


def test_records_stand_as_verdicts_do():
    budgets = [budget("min", DOG, 0.7), budget("max_drop", NIGHT, 0.1), budget("min")]
    verdicts = judge(plan(*budgets), Measured(figures=tuple(evaluation_figures(plan(*budgets), evaluation()))))
    for verdict in verdicts:
        record = json.loads(json.dumps([_budget(verdict.budget), verdict_record(verdict)]))
        assert recorded_standing(*record) == standing(verdict)


def test_the_table_holds_the_worst_and_counts_the_rest(tmp_path: Path):
    budgets = tuple(budget("min", Slice(by="class", name=f"k{index}"), 0.8) for index in range(30))
    figures = tuple(
        Figure(name=figure_name(item), value=0.5 + index / 60, unit="share", evidence="host", samples=40)
        for index, item in enumerate(budgets)
    )
    asked = SimpleNamespace(
        **vars(plan(*budgets)), name="n", version="1", threads=1, delegates=(Choice(name="xnnpack"),),
        recipe=Choice(name="int8"), search=None,
    )  # fmt: skip
    outcome = Outcome(plan=asked, verdicts=judge(asked, Measured(figures=figures)))
    text = _block(outcome, colour=False)
    assert text.count("accuracy top1, class") == 8
    assert "accuracy.top1.min by class: 10 missed, 12 met more" in text
    shown, rest = condensed([standing(verdict) for verdict in outcome.verdicts])
    assert notes([standing(verdict) for verdict in outcome.verdicts], rest) and len(shown) == 8


def test_a_score_in_a_slice_is_the_one_in_the_whole_data():
    """The nearest other vector of every b is an a: among the b's alone every neighbour would be right."""
    vectors = np.eye(4, dtype=np.float32)[np.arange(80) % 4]
    found = Evaluation(
        ids=tuple(f"{index}.png" for index in range(80)), outputs=(vectors,), reference=(vectors,),
        labels=np.arange(80) % 8 // 4,
    )  # fmt: skip
    task = Choice(name="embedding", options={"labels": ["a", "b"]})
    asked = plan(budget("min", Slice(by="class", name="b"), statistic="recall1"))
    asked = SimpleNamespace(**{**vars(asked), "task": task, "labels": ("a", "b")})
    figures = {figure.name: figure for figure in evaluation_figures(asked, found)}
    part = figures["accuracy.recall1[class b]"]
    assert (part.samples, part.value) == (40, 0.0)
    assert figures["accuracy.recall1"].value < 0.5


def test_a_slice_that_a_metric_can_say_nothing_of_is_inconclusive():
    found = Evaluation(
        ids=tuple(f"{'night' if index < 40 else 'day'}/{index}.wav" for index in range(80)),
        outputs=(np.linspace(0, 1, 80, dtype=np.float32)[:, None],),
        reference=(np.linspace(0, 1, 80, dtype=np.float32)[:, None],),
        labels=(np.arange(80) > 60).astype(np.int64),
    )
    asked = plan(budget("min", NIGHT, statistic="auc"), budget("min", Slice(by="folder", name="day"), statistic="auc"))
    asked = SimpleNamespace(**{**vars(asked), "task": Choice(name="anomaly"), "labels": ()})
    measured = Measured(figures=tuple(evaluation_figures(asked, found)))
    night, day = judge(asked, measured)
    assert (night.status, day.status) == ("inconclusive", "met")
    assert "no evaluation sample that auc could judge" in night.reason


@pytest.mark.parametrize("task", ["classification", "embedding"])
def test_windows_of_recordings_count_for_no_other_metric(task):
    given = evaluation()
    labels = np.where(np.arange(60) < 30, NO_CLASS, given.labels)
    asked = SimpleNamespace(**{**vars(plan(budget("min"))), "task": Choice(name=task, options=TASK.options)})
    if task == "embedding":
        asked.budgets = (budget("min", statistic="recall1"),)
    figures = evaluation_figures(asked, Evaluation(**{**vars(given), "labels": labels}))
    assert {figure.samples for figure in figures} == {30}


def test_a_slice_of_ignored_pixels_alone_is_no_miss():
    truth = np.zeros((60, 2, 2), np.int16)
    truth[:30] = -1
    planes = np.stack([np.ones((60, 2, 2), np.float32), np.zeros((60, 2, 2), np.float32)], axis=1)
    names = tuple(f"{'night' if index < 30 else 'day'}/{index}.png" for index in range(60))
    found = Evaluation(ids=names, outputs=(planes,), reference=(planes,), labels=truth)
    asked = plan(budget("min", NIGHT, statistic="miou"), budget("min", Slice(by="folder", name="day"), statistic="miou"))
    task = Choice(name="segmentation", options={"labels": ["road", "kerb"]})
    asked = SimpleNamespace(**{**vars(asked), "task": task, "labels": ("road", "kerb")})
    night, day = judge(asked, Measured(figures=tuple(evaluation_figures(asked, found))))
    assert (night.status, day.status) == ("inconclusive", "met")
    assert "no evaluation sample that miou could judge" in night.reason
