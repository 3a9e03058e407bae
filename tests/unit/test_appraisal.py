"""What an artifact's answers say is worked out once: again for other questions and answers, not for other limits."""

from dataclasses import replace

import numpy as np
import pytest

from bundle_parts import lowered, plan
from edgec import appraisal as stage
from edgec.appraisal import appraisal
from edgec.artifacts.manifest import Budget, Choice, Data, Slice
from edgec.diagnostics import Failure, Location
from edgec.stages.measure import evaluation_figures, read_evaluation
from edgec.stages.remember import remember
from edgec.store.cache import Cache

TOP1 = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.5, text="50%", route=("budgets", "accuracy", "top1"))
DATA = Data(role="evaluation", format="image-folder", options={"path": "data/test"})
ASKED = plan(budgets=(TOP1,), data=(DATA,), task=Choice(name="classification"), labels=("0", "1"))


@pytest.fixture
def job(tmp_path):
    """A job's folder with the answers to three samples, and the artifact that gave them."""
    artifact = replace(lowered(tmp_path / "job"), evaluation="evaluation.npz")
    store(tmp_path / "job")
    return artifact, tmp_path / "job", Cache(folder=tmp_path / "cache")


def store(folder, last=0.3, labels=(1, 1, 0)):
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.7, last]], np.float32)
    reference = np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]], np.float32)
    arrays = {"ids": np.array(["a", "b", "b"]), "output.0": outputs, "reference.0": reference}
    np.savez(folder / "evaluation.npz", **arrays, **({} if labels is None else {"labels": np.array(labels)}))


@pytest.fixture
def looked(monkeypatch):
    """How often answers were read."""
    seen = []
    monkeypatch.setattr(stage, "read_evaluation", lambda path: seen.append(path) or read_evaluation(path))
    return seen


def test_it_is_what_the_answers_say_the_first_time_and_ever_after(job, looked):
    artifact, folder, cache = job
    first, second = (appraisal(ASKED, artifact, folder, cache) for _ in range(2))
    assert first == second and len(looked) == 1
    answers = read_evaluation(folder / "evaluation.npz")
    figures = tuple(evaluation_figures(ASKED, answers))
    assert first.figures[-len(figures) :] == figures
    assert [figure.name for figure in first.figures[:3]] == ["size", "delegation", "memory.planned"]
    assert first.evaluated == remember(ASKED, stage.Measured(figures=figures), answers)
    assert appraisal(ASKED, artifact, folder, None) == first


def test_other_limits_and_a_budget_without_answers_ask_nothing_new(job, looked):
    artifact, folder, cache = job
    appraisal(ASKED, artifact, folder, cache)
    size = Budget(kind="size", statistic="", sense="max", limit=1.0, text="1B", route=("budgets", "size"))
    appraisal(replace(ASKED, budgets=(replace(TOP1, limit=0.9, text="90%"), size)), artifact, folder, cache)
    assert len(looked) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"budgets": (replace(TOP1, sense="max_flips"),)},
        {"budgets": (replace(TOP1, options={"k": 2}),)},
        {"budgets": (replace(TOP1, slice=Slice(by="class", name="1")),)},
        {"task": Choice(name="classification", options={"labels": "other.txt"})},
        {"labels": ("zero", "one")},
        {"data": (replace(DATA, options={"path": "data/other"}),)},
        {"inputs": ()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_question_is_another_answer(job, looked, changes):
    artifact, folder, cache = job
    appraisal(ASKED, artifact, folder, cache)
    appraisal(replace(ASKED, **changes), artifact, folder, cache)
    assert len(looked) == 2


def test_another_processor_is_another_answer(job, looked, monkeypatch):
    artifact, folder, cache = job
    appraisal(ASKED, artifact, folder, cache)
    monkeypatch.setattr(stage, "cpu_name", lambda: "Another CPU")
    appraisal(ASKED, artifact, folder, cache)
    assert len(looked) == 2


def test_other_answers_are_looked_at_and_other_sizes_are_said(job, looked):
    artifact, folder, cache = job
    before = appraisal(ASKED, artifact, folder, cache)
    store(folder, last=0.8)
    after = appraisal(ASKED, replace(artifact, pte_bytes=7), folder, cache)
    assert len(looked) == 2 and after.figures[0].value == 7
    found = [{figure.name: figure.value for figure in item.figures}["accuracy.top1"] for item in (before, after)]
    assert found == [pytest.approx(2 / 3), pytest.approx(1 / 3)]


def test_what_stands_in_for_an_artifact_estimates_also_when_its_answers_are_known(job):
    artifact, folder, cache = job
    assert {figure.evidence for figure in appraisal(ASKED, artifact, folder, cache).figures} == {"artifact", "host"}
    stands_in = replace(artifact, not_run="no interpreter here runs it")
    assert {figure.evidence for figure in appraisal(ASKED, stands_in, folder, cache).figures} == {"artifact", "estimated"}


def test_what_the_data_cannot_show_is_told_each_time_of_the_manifest_as_it_is_named_now(job, looked):
    artifact, folder, cache = job
    store(folder, labels=(0.5, 1, 0))
    open_question = replace(ASKED, budgets=())
    found = [appraisal(item, artifact, folder, cache) for item in (open_question, replace(open_question, manifest="new.yaml"))]
    assert len(looked) == 1
    first, second = [item.gaps[0] for item in found]
    assert (first.code, first.severity) == ("data-labels", "warning") and first.message.startswith("top1 is left out: ")
    assert first.where == Location(file=ASKED.manifest, route=("data", "evaluation"))
    assert second == replace(first, where=replace(first.where, file="new.yaml"))


def test_without_answers_the_artifact_speaks_alone(job, looked):
    artifact, folder, cache = job
    found = appraisal(ASKED, replace(artifact, evaluation=None), folder, cache)
    assert found.evaluated is None and not looked and len(found.figures) == 3


def test_a_budget_of_truth_is_refused_without_labels_each_time(job):
    artifact, folder, cache = job
    store(folder, labels=None)
    for _ in range(2):
        with pytest.raises(Failure) as caught:
            appraisal(ASKED, artifact, folder, cache)
        assert caught.value.diagnostics[0].code == "needs-data"
