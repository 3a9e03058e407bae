"""What a release keeps of its evaluation: one truth, one decision and one score a sample."""

import numpy as np
import pytest

from bundle_parts import plan
from edgec.artifacts.manifest import Choice, Data
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.samples import Evaluation
from edgec.stages.remember import remember

DATA = Data(role="evaluation", format="image-folder", options={"path": "data/../data/test"})


def measured(*names):
    return Measured(figures=tuple(Figure(name=f"accuracy.{name}", value=0.5, unit="share", evidence="host") for name in names))


def evaluation(labels=(1, 1, 0)):
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]], np.float32)
    reference = np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]], np.float32)
    truth = None if labels is None else np.array(labels)
    return Evaluation(ids=("a", "b", "c"), outputs=(outputs,), reference=(reference,), labels=truth)


def test_a_classifier_keeps_its_decisions_and_those_of_fp32():
    found = remember(plan(data=(DATA,)), measured("top1", "top1.drop", "agreement.drop", "sqnr"), evaluation())
    assert (found.samples, found.path) == (("a", "b", "c"), "data/test")
    assert (found.truth, found.decisions, found.reference) == ((1, 1, 0), (1, 0, 0), (1, 1, 0))
    assert found.scores == {"top1": (1.0, 0.0, 1.0), "agreement": (1.0, 0.0, 1.0)}


def test_scores_with_an_axis_of_one_are_one_decision():
    given = evaluation()
    wide = Evaluation(
        ids=given.ids, outputs=(given.outputs[0][:, None],), reference=(given.reference[0][:, None],), labels=given.labels
    )
    assert remember(plan(data=(DATA,)), measured("top1"), wide).decisions == (1, 0, 0)


def test_the_mean_of_the_scores_is_the_metric():
    found = remember(plan(data=(DATA,)), measured("top1.drop"), evaluation())
    assert np.mean(found.scores["top1"]) == pytest.approx(2 / 3)


def test_without_labels_there_is_no_truth():
    found = remember(plan(data=(DATA,)), measured("agreement.drop"), evaluation(labels=None))
    assert found.truth is None and found.decisions == (1, 0, 0) and set(found.scores) == {"agreement"}


def test_a_task_that_decides_nothing_keeps_scores_alone():
    of = plan(data=(DATA,), task=Choice(name="embedding"), labels=())
    found = remember(of, measured("cosine.drop", "sqnr"), evaluation(labels=None))
    assert (found.truth, found.decisions, found.reference) == (None, None, None)
    assert set(found.scores) == {"cosine"} and found.scores["cosine"][0] == pytest.approx(1)
