"""The metrics of embedding and regression, against figures worked out by hand or by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Failure
from edgec.metrics import cosine, mae, r2, recall1, rmse


def evaluation(outputs, reference=None, labels=None):
    outputs = np.asarray(outputs, np.float32)
    reference = outputs if reference is None else np.asarray(reference, np.float32)
    ids = tuple(str(index) for index in range(len(outputs)))
    labels = None if labels is None else np.asarray(labels)
    return Evaluation(ids=ids, outputs=(outputs,), reference=(reference,), labels=labels)


def test_cosine_is_the_mean_angle_whatever_the_length():
    found = evaluation([[2, 0], [0, 3], [1, 1]], [[1, 0], [0, 5], [1, 0]])
    assert cosine.scores(found.outputs, found, {}).tolist() == pytest.approx([1, 1, 2**-0.5])
    assert cosine.value(found, {}) == pytest.approx((2 + 2**-0.5) / 3)
    assert cosine.value(evaluation([[1.0, 0]], [[-4.0, 0]]), {}) == pytest.approx(-1)


def test_a_vector_of_zeros_is_like_nothing():
    assert cosine.value(evaluation([[0.0, 0]], [[1.0, 0]]), {}) == 0


def test_recall_asks_the_nearest_other_sample():
    vectors = [[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0.05]]
    found = evaluation(vectors, labels=["a", "a", "b", "b", "b"])
    assert recall1.scores(found.outputs, found, {}).tolist() == [0, 0, 1, 1, 0]
    assert recall1.value(evaluation(vectors, labels=[0, 0, 1, 1, 0]), {}) == 1
    assert recall1.value(evaluation([[1.0, 2]], labels=[0]), {}) == 0


def test_recall_in_pieces_is_recall_at_once(monkeypatch):
    generator = np.random.default_rng(0)
    found = evaluation(generator.standard_normal((50, 4)), labels=generator.integers(0, 3, 50))
    whole = recall1.scores(found.outputs, found, {})
    monkeypatch.setattr(recall1, "CHUNK", 7)
    assert (recall1.scores(found.outputs, found, {}) == whole).all() and 0 < whole.mean() < 1


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_errors_are_scikit_learns(shape):
    generator = np.random.default_rng(1)
    truth = generator.standard_normal(shape)
    outputs = (truth + 0.3 * generator.standard_normal(shape)).astype(np.float32).reshape(40, -1)
    found = evaluation(outputs, labels=truth)
    flat = truth.reshape(40, -1)
    assert mae.value(found, {}) == pytest.approx(mean_absolute_error(flat, outputs))
    assert rmse.value(found, {}) == pytest.approx(mean_squared_error(flat, outputs) ** 0.5)
    assert r2.value(found, {}) == pytest.approx(r2_score(flat, outputs))
    assert mae.scores(found.outputs, found, {}).mean() == pytest.approx(mae.value(found, {}))


def test_a_truth_that_never_varies_has_a_finite_r2():
    assert r2.value(evaluation([[1.0], [1.0]], labels=[1.0, 1.0]), {}) == 1
    assert r2.value(evaluation([[1.0], [2.0]], labels=[1.0, 1.0]), {}) == r2.FLOOR


@pytest.mark.parametrize("labels", [["low", "high"], [[1.0, 2.0], [3.0, 4.0]]])
@pytest.mark.parametrize("metric", [mae, rmse, r2])
def test_a_truth_of_another_kind_or_size_is_refused(metric, labels):
    with pytest.raises(Failure) as caught:
        metric.value(evaluation([[1.0], [2.0]], labels=labels), {})
    assert caught.value.diagnostics[0].code == "data-labels"


@pytest.mark.parametrize("metric", [recall1, mae, rmse, r2])
def test_what_compares_with_the_truth_needs_one(metric):
    assert metric.NEEDS_LABELS
    with pytest.raises(ValueError, match="has none"):
        metric.value(evaluation([[1.0], [2.0]]), {})
