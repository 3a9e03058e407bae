"""Figures follow from the artifact and its stored answers; a metric's drop is paired sample by sample."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgec.artifacts.lowered import Lowered, Memory, Operator
from edgec.artifacts.manifest import Budget, Choice
from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Failure, Location
from edgec.stages.measure import (
    _flips,
    _metric_figures,
    artifact_figures,
    evaluation_figures,
    figures_and_gaps,
    read_evaluation,
)

AT_DATA = Location(file="m.yaml", route=("data", "evaluation"))


def evaluation(flips):
    """Ten classes, 100 samples: eager is always right, the artifact wrong on the first ``flips``."""
    labels = np.arange(100) % 10
    reference = np.eye(10, dtype=np.float32)[labels]
    outputs = reference.copy()
    outputs[:flips] = np.roll(outputs[:flips], 1, axis=1)
    ids = tuple(f"{index}.png" for index in range(100))
    return Evaluation(ids=ids, outputs=(outputs,), reference=(reference,), labels=labels)


def figures(name, flips):
    return {figure.name: figure for figure in _metric_figures(name, {}, evaluation(flips))}


def test_top1_comes_with_fp32_and_the_paired_drop():
    found = figures("top1", 3)
    assert found["accuracy.top1"].value == pytest.approx(0.97)
    assert found["accuracy.top1.fp32"].value == 1.0
    drop = found["accuracy.top1.drop"]
    assert drop.value == pytest.approx(0.03)
    assert drop.interval[0] < 0.03 < drop.interval[1]
    assert {figure.samples for figure in found.values()} == {100}
    assert {figure.evidence for figure in found.values()} == {"host"}
    assert not any(figure.clocked for figure in found.values())


def test_errors_that_are_all_0_or_1_are_not_right_or_wrong():
    """Two answers of a hundred are off by 1: as off by 1 - 1e-6 it is the same drop, with the same interval."""
    truth, found = np.arange(100, dtype=np.float64), {}
    for error in (1.0, 1.0 - 1e-6):
        output = truth.copy()
        output[:2] += error
        ids = tuple(map(str, range(100)))
        of = Evaluation(ids=ids, outputs=(output[:, None],), reference=(truth[:, None],), labels=truth)
        found[error] = _metric_figures("mae", {}, of)[2]
        assert list(found[error].detail) == ["deviation"]
    assert found[1.0].interval == pytest.approx(found[1.0 - 1e-6].interval, abs=1e-5)


def test_flips_of_pixels_keep_their_deviation():
    generator = np.random.default_rng(0)
    reference = np.eye(2, dtype=np.float32)[np.zeros((100, 8, 8), int)].transpose(0, 3, 1, 2)
    outputs = np.where(generator.random((100, 1, 8, 8)) < 0.05, reference[:, ::-1], reference)
    ids = tuple(map(str, range(100)))
    found = _flips(Evaluation(ids=ids, outputs=(outputs,), reference=(reference,), labels=None))
    shares = (outputs[:, 0] == 0).mean(axis=(1, 2))
    assert found.value == pytest.approx(shares.mean())
    assert found.detail == {"deviation": pytest.approx(shares.std(ddof=1))}
    assert _flips(evaluation(3)).detail == {}


def test_agreement_needs_no_labels():
    found = figures("agreement", 5)
    assert found["accuracy.agreement"].value == pytest.approx(0.95)


def test_a_budget_of_truth_is_refused_without_labels(tmp_path):
    answers = np.ones((1, 2))
    np.savez(tmp_path / "e.npz", **{"ids": np.array(["a"]), "output.0": answers, "reference.0": answers})
    budget = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.5, text="50%", route=())
    plan = SimpleNamespace(manifest="m.yaml", task=Choice(name="classification"), labels=(), inputs=(), budgets=(budget,))
    with pytest.raises(Failure) as caught:
        evaluation_figures(plan, read_evaluation(tmp_path / "e.npz"))
    assert caught.value.diagnostics[0].code == "needs-data"
    plan = SimpleNamespace(manifest="m.yaml", task=Choice(name="classification"), labels=(), inputs=(), budgets=())
    found = evaluation_figures(plan, read_evaluation(tmp_path / "e.npz"))
    assert {figure.name.split(".")[1] for figure in found} == {"agreement", "sqnr"}


def anomaly(*budgets):
    task = Choice(name="anomaly", options={"threshold": 0.5})
    return SimpleNamespace(manifest="m.yaml", task=task, labels=(), inputs=(), budgets=budgets)


ALL_NORMAL = Evaluation(
    ids=("a", "b"), outputs=(np.zeros((2, 1)),), reference=(np.zeros((2, 1)),), labels=np.zeros(2, np.int64)
)


def test_a_metric_that_nobody_asked_for_is_left_out_with_a_warning():
    found, gaps = figures_and_gaps(anomaly(), ALL_NORMAL)
    assert "accuracy.sqnr" in {figure.name for figure in found} and not any("auc" in figure.name for figure in found)
    assert [(gap.code, gap.severity, gap.where) for gap in gaps] == [("data-labels", "warning", AT_DATA)]
    assert gaps[0].message.startswith("auc is left out: the evaluation data holds only normal samples")


def test_a_metric_that_was_asked_for_is_refused_at_the_evaluation_data():
    budget = Budget(kind="accuracy", statistic="auc", sense="min", limit=0.5, text="0.5", route=())
    with pytest.raises(Failure) as caught:
        evaluation_figures(anomaly(budget), ALL_NORMAL)
    assert [(item.code, item.severity, item.where) for item in caught.value.diagnostics] == [("data-labels", "error", AT_DATA)]


def test_no_error_at_all_stays_a_number():
    assert np.isfinite(figures("sqnr", 0)["accuracy.sqnr"].value)


def test_stored_answers_are_read_back(tmp_path):
    stored = evaluation(2)
    np.savez(
        tmp_path / "e.npz", **{"ids": np.array(stored.ids), "labels": stored.labels, "output.0": stored.outputs[0],
                               "reference.0": stored.reference[0]}
    )  # fmt: skip
    found = read_evaluation(tmp_path / "e.npz")
    assert found.ids == stored.ids
    assert np.array_equal(found.outputs[0], stored.outputs[0])


def lowered(**changes):
    facts = {
        **dict.fromkeys(("inputs", "outputs", "kernels", "backends", "boundaries", "golden"), ()),
        "operators": (Operator(name="aten::conv", delegated=3, left=1, reason="too wide"),),
        "memory": Memory(arenas=(10, 20), delegate_blobs=5, weights=100, constants=1),
        "recipe": "int8", "pte_sha256": "0" * 64, "pte_bytes": 1000, "weights_sha256": "", "parameters": 1, "output_range": 1.0,
        "tolerance": (0.0, 0.0), "evaluation": None, "resolved": {}, "versions": {},
    }
    return Lowered(**{**facts, **changes})


def test_the_artifact_tells_size_delegation_and_planned_memory():
    found = {figure.name: figure for figure in artifact_figures(lowered())}
    assert found["size"].value == 1000
    assert found["delegation"].value == 0.75
    assert found["delegation"].detail == {"left": {"aten::conv": 1}}
    assert found["memory.planned"].value == 136
    assert {figure.evidence for figure in found.values()} == {"artifact"}


def resampled_metric(monkeypatch, actual, before, better=True):
    """A metric that is no mean: its value is the first output's, its resamples are given."""
    metric = SimpleNamespace(
        SHARE=True, PAIRED=False, RESAMPLED=True, HIGHER_IS_BETTER=better,
        value=lambda evaluation, options: float(evaluation.outputs[0][0, 0]),
        resampled=lambda evaluation, options: (np.array(actual), np.array(before)),
    )  # fmt: skip
    monkeypatch.setattr("edgec.stages.measure.plugin", lambda kind, name: metric)


def test_a_metric_that_is_no_mean_has_its_intervals_from_resamples(monkeypatch):
    resampled_metric(monkeypatch, np.linspace(0.8, 0.9, 101), np.linspace(0.82, 0.92, 101))
    ids = tuple("abcd")
    of = Evaluation(ids=ids, outputs=(np.full((4, 1), 0.85),), reference=(np.full((4, 1), 0.87),), labels=None)
    value, before, drop = _metric_figures("map50", {}, of)
    assert (value.name, value.value, value.interval) == ("accuracy.map50", 0.85, pytest.approx((0.8025, 0.8975)))
    assert (before.name, before.value) == ("accuracy.map50.fp32", 0.87)
    assert (drop.name, drop.unit, drop.value) == ("accuracy.map50.drop", "points", pytest.approx(0.02))
    assert drop.interval == pytest.approx((0.02, 0.02)), "the same pictures for both"
    assert drop.detail["deviation"] == pytest.approx(0)


def test_where_less_is_better_a_drop_is_what_it_grew(monkeypatch):
    resampled_metric(monkeypatch, [3.0, 5.0], [2.0, 3.0], better=False)
    of = Evaluation(ids=("a",), outputs=(np.full((1, 1), 4.0),), reference=(np.full((1, 1), 2.5),), labels=None)
    drop = _metric_figures("error", {}, of)[2]
    assert drop.value == 1.5
    assert 1 <= drop.interval[0] < drop.interval[1] <= 2
