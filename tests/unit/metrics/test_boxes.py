"""map50 and map on answers that are known, beside pycocotools's own summary, and their bootstrap intervals."""

import contextlib
import io
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edgec.artifacts.boxes import Box, Truth, packed
from edgec.artifacts.manifest import Budget, Choice, Data, Image
from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Failure
from edgec.metrics import boxes, map50
from edgec.metrics.bootstrap import RESAMPLES
from edgec.registry import plugin
from edgec.stages.plan import absent

pytest.importorskip("pycocotools")
SIZE, CELLS = 64, 8
IMAGE = Image(width=SIZE, height=SIZE, fit="stretch")
TASK = {"anchors": [[[8, 8]]]}
whole = plugin("metrics", "map")


def evaluation(pictures, reference=None):
    """``pictures`` are pairs: truths (class, column, row) and answers (class, column, row, shift, score)."""
    truths = [
        Truth(size=(SIZE, SIZE), boxes=tuple(Box(label=k, x=8.0 * c, y=8.0 * r, width=8, height=8) for k, c, r in given))
        for given, _ in pictures
    ]
    outputs = np.stack([head(answers) for _, answers in pictures])
    before = outputs if reference is None else np.stack([head(answers) for answers in reference])
    return Evaluation(
        ids=tuple(str(row) for row in range(len(pictures))),
        outputs=(outputs,),
        reference=(before,),
        labels=np.stack([packed(truth, 9) for truth in truths]),
        task=TASK,
        classes=("a", "b"),
        image=IMAGE,
    )


def head(answers):
    """Each answer is the box of its cell, moved right by ``shift`` (0 to 0.49) of its width."""
    values = np.full((7, CELLS, CELLS), -30.0, np.float32)
    values[2:4] = 0
    for kind, column, row, shift, score in answers:
        place = 0.5 + shift
        values[:, row, column] = [np.log(place / (1 - place)), 0, 0, 0, np.log(score / (1 - score)), -30, -30]
        values[5 + kind, row, column] = 30
    return values


RIGHT = ([(0, 1, 1), (1, 5, 5)], [(0, 1, 1, 0, 0.9), (1, 5, 5, 0, 0.8)])


def test_all_found_is_one_and_nothing_found_is_zero():
    assert map50.value(evaluation([RIGHT]), {}) == pytest.approx(1)
    assert whole.value(evaluation([RIGHT]), {}) == pytest.approx(1)
    assert map50.value(evaluation([(RIGHT[0], [])]), {}) == 0
    assert map50.value(evaluation([RIGHT, ([], [])]), {}) == pytest.approx(1), "an empty picture takes nothing away"


def test_a_false_alarm_above_the_truth_costs_half_of_its_class():
    # Class a: wrong at 0.9, right at 0.8, so its precision is 1/2 at every recall. Class b: all found.
    found = evaluation([(RIGHT[0], [(0, 6, 1, 0, 0.9), (0, 1, 1, 0, 0.8), (1, 5, 5, 0, 0.8)])])
    assert map50.value(found, {}) == pytest.approx(0.75)


def test_one_of_two_found_is_what_coco_counts_for_it():
    # Recall ends at 1/2: precision 1 at 51 of the 101 recalls.
    found = evaluation([([(0, 1, 1), (0, 5, 5)], [(0, 1, 1, 0, 0.9)])])
    assert map50.value(found, {}) == pytest.approx(51 / 101)


def test_the_thresholds_of_map_ask_for_closer_boxes():
    # A box of 8 moved by 2: IoU 6/10, right at 0.5, 0.55 and 0.6 of ten thresholds.
    found = evaluation([([(0, 2, 2)], [(0, 2, 2, 0.2499, 0.9)])])
    assert map50.value(found, {}) == pytest.approx(1)
    assert whole.value(found, {}) == pytest.approx(0.3)


def test_what_the_task_does_not_print_is_not_counted_unless_asked():
    found = evaluation([([(0, 2, 2)], [(0, 2, 2, 0, 0.1)])])
    assert map50.value(found, {}) == 0
    assert map50.value(found, {"score_threshold": 0.001}) == pytest.approx(1)


def noisy(count, seed, worse=0.0):
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        places = random.choice(CELLS * CELLS, 5, replace=False)
        truth = [(int(random.integers(2)), int(place % CELLS), int(place // CELLS)) for place in places[:3]]
        answers = [(k, c, r, float(random.uniform(0, 0.45)), float(random.uniform(0.4, 0.95))) for k, c, r in truth]
        answers = [answer for answer in answers if random.random() > 0.2 + worse]
        wrong = [(int(random.integers(2)), int(place % CELLS), int(place // CELLS)) for place in places[3:]]
        answers += [(k, c, r, 0.0, float(random.uniform(0.3, 0.8))) for k, c, r in wrong]
        pictures.append((truth, answers))
    return pictures


def test_it_is_what_pycocotools_summarises():
    found = evaluation(noisy(30, 1))
    matched = boxes._matched(found.outputs, found, {}, np.linspace(0.5, 0.95, 10))
    # All that its summary asks for, not only what edgec does.
    matched.params.areaRng = [[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]]
    matched.params.areaRngLbl, matched.params.maxDets = ["all", "small", "medium", "large"], [1, 10, 100]
    with contextlib.redirect_stdout(io.StringIO()):
        matched.evaluate()
        matched.accumulate()
        matched.summarize()
    assert whole.value(found, {}) == pytest.approx(matched.stats[0], abs=1e-12)
    assert map50.value(found, {}) == pytest.approx(matched.stats[1], abs=1e-12)
    assert 0.2 < matched.stats[1] < 0.95, "the case tells something"


@pytest.mark.parametrize("metric", [map50, whole])
def test_the_bootstrap_of_every_picture_once_is_the_metric_itself(metric):
    found = evaluation(noisy(40, 2))
    classes = boxes._by_class(boxes._matched(found.outputs, found, {}, metric.LEAST))
    assert boxes._over_samples(classes, np.ones((1, 40)))[0] == pytest.approx(metric.value(found, {}), abs=1e-9)


def test_pictures_drawn_several_times_count_as_if_they_were_there_so_often():
    pictures = noisy(12, 3)
    found = evaluation(pictures)
    times = np.array([[2, 0, 1, 3, 0, 1, 1, 0, 2, 1, 1, 0]], dtype=float)
    repeated = evaluation([picture for picture, count in zip(pictures, times[0], strict=True) for _ in range(int(count))])
    classes = boxes._by_class(boxes._matched(found.outputs, found, {}, map50.LEAST))
    assert boxes._over_samples(classes, times)[0] == pytest.approx(map50.value(repeated, {}), abs=1e-9)


def test_resamples_lie_around_the_value_and_a_worse_artifact_drops():
    pictures = noisy(60, 4)
    worse = [answers[1:] for _, answers in pictures]
    found = evaluation([(truth, less) for (truth, _), less in zip(pictures, worse, strict=True)], [a for _, a in pictures])
    actual, before = map50.resampled(found, {})
    assert len(actual) == len(before) == RESAMPLES
    assert np.quantile(actual, 0.025) < map50.value(found, {}) < np.quantile(actual, 0.975)
    assert np.quantile(before - actual, 0.025) > 0
    assert 0.01 < actual.std() < 0.1
    again, _ = map50.resampled(found, {})
    assert np.array_equal(actual, again), "seeded"


def test_nothing_is_printed(capsys):
    found = evaluation([RIGHT])
    map50.value(found, {})
    map50.resampled(found, {})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("labels", [None, np.array([1, 2]), np.zeros((2, 3, 6))])
def test_data_without_boxes_is_refused(labels):
    found = Evaluation(**{**vars(evaluation([RIGHT, RIGHT])), "labels": labels})
    with pytest.raises(Failure, match="no box"):
        map50.value(found, {})


def test_without_pycocotools_the_extra_is_named(monkeypatch):
    assert map50.missing() is None
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert map50.missing() == "pycocotools is not installed; run: pip install 'edgec[detection]'"


def test_a_build_that_would_measure_it_is_refused_before_it_begins(monkeypatch):
    monkeypatch.setattr(map50, "missing", lambda: "pycocotools is not installed; run: pip install 'edgec[detection]'")
    data = Data(role="evaluation", format="coco", options={})
    plan = SimpleNamespace(
        manifest="m.yaml", model=Choice(name="python"), delegates=(Choice(name="xnnpack"),), task=Choice(name="detection"),
        budgets=(), dataset=lambda role: data, delegates_route=("delegate",),
    )  # fmt: skip
    refusal = absent(plan)
    assert refusal is not None
    assert (refusal.code, refusal.where.route) == ("tool-missing", ("task",))
    assert "the metric 'map50' cannot be used here: pycocotools" in refusal.message
    asked = Budget(kind="accuracy", statistic="map50", sense="min", limit=0.8, text="80%", route=())
    assert absent(SimpleNamespace(**{**vars(plan), "budgets": (asked,)})).where.route == ("budgets", "accuracy")
    assert absent(SimpleNamespace(**{**vars(plan), "dataset": lambda role: None})) is None, "nothing is measured"


@pytest.mark.filterwarnings("error")
def test_resamples_without_a_box_leave_the_interval_a_number():
    found = evaluation([RIGHT, *[([], [])] * 9])
    actual, before = map50.resampled(found, {})
    assert len(actual) == len(before) < RESAMPLES and np.isfinite(actual).all() and np.isfinite(before).all()
    assert actual.min() == pytest.approx(1)


@pytest.mark.parametrize("labels", [np.zeros((1, 4, 4), np.int16), np.full((1, 2, 6), 9.0), np.array([1]), None])
def test_truths_that_are_no_boxes_are_refused(labels):
    with pytest.raises(Failure, match="no boxes") as caught:
        map50.value(replace(evaluation([RIGHT]), labels=labels), {})
    assert caught.value.diagnostics[0].code == "data-labels"
