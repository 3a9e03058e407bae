"""Gates between the steps of a compilation: each refuses what it is there for, in order, and names the step."""

import numpy as np
import pytest

from edgec.artifacts.limit import Limit
from edgec.diagnostics import Failure
from edgec.metrics.sqnr import CEILING
from edgec.stages import compare as stage

LIMITS = {name: Limit(sqnr=30.0, relative_error=0.1, agreement=0.9) for name in ("exported", "quantized", "pte")}
IDS = tuple(f"sample {index}" for index in range(32))


def answers(seed=0, classes=10):
    generator = np.random.default_rng(seed)
    return [(generator.standard_normal((1, classes)).astype(np.float32),) for _ in IDS]


def changed(found, change):
    return [tuple(change(index, output) for output in row) for index, row in enumerate(found)]


def refusal(points, decides=True):
    with pytest.raises(Failure) as caught:
        stage.compare(points, IDS, LIMITS, decides)
    return caught.value.diagnostics[0]


def test_equal_answers_pass_with_the_highest_sqnr():
    (found,) = stage.compare({"eager": answers(), "exported": answers()}, IDS, LIMITS, True)
    assert (found.before, found.after, found.samples) == ("eager", "exported", 32)
    assert (found.sqnr, found.agreement, found.max_abs_error) == (CEILING, 1.0, 0.0)


def test_figures_are_those_of_a_known_error():
    before = [(np.array([[3.0, 4.0]], np.float32),), (np.array([[0.0, 5.0]], np.float32),)]
    after = [(np.array([[3.0, 4.0]], np.float32),), (np.array([[0.0, 4.5]], np.float32),)]
    found = stage.boundary(("a", "b"), ("first", "second"), before, after)
    assert found.max_abs_error == pytest.approx(0.5)
    assert found.max_relative_error == pytest.approx(0.1)
    assert found.sqnr == pytest.approx(10 * np.log10(50 / 0.25))
    assert (found.agreement, found.worst) == (1.0, "second")


@pytest.mark.parametrize("shape", [(2,), (1, 2), (1, 1, 2)])
def test_scores_of_any_shape_decide(shape):
    before = [(np.array([3.0, 4.0], np.float32).reshape(shape),), (np.array([1.0, 5.0], np.float32).reshape(shape),)]
    after = [before[0], (before[1][0][..., ::-1],)]
    assert stage.boundary(("a", "b"), ("first", "second"), before, after).agreement == 0.5


@pytest.mark.parametrize("step", ["eager", "exported", "pte"])
def test_nan_in_one_answer_is_refused_whatever_else_holds(step):
    points = {"eager": answers(), "exported": answers(), "pte": answers()}
    points[step] = changed(points[step], lambda index, output: output * np.nan if index == 3 else output)
    finding = refusal(points)
    assert finding.code == "non-finite"
    assert "sample 3" in finding.message


def test_a_model_with_constant_output_is_refused_though_both_agree():
    same = [(np.ones((1, 10), np.float32),) for _ in IDS]
    finding = refusal({"eager": same, "pte": same})
    assert finding.code == "constant-output"
    assert "the model itself gives 1 distinct answer to 32" in finding.message


def test_nearly_constant_output_counts_as_constant():
    near = [(np.ones((1, 10), np.float32) * (1 + 1e-6 * index),) for index in range(32)]
    assert refusal({"eager": near, "pte": near}).code == "constant-output"


def test_outputs_without_elements_count_as_constant():
    empty = [(np.ones((1, 0), np.float32),) for _ in IDS]
    assert refusal({"eager": empty, "pte": empty}).code == "constant-output"


def test_an_artifact_that_collapses_to_two_answers_is_refused():
    first, second = answers()[:2]
    finding = refusal({"eager": answers(), "pte": [first, second] * 16})
    assert finding.code == "constant-output"
    assert "the artifact gives 2 distinct answers" in finding.message


def test_two_answers_are_enough_for_a_few_samples():
    few = [(np.array([[float(index), 1.0]], np.float32),) for index in range(2)]
    stage.compare({"eager": few, "pte": few}, ("a", "b"), LIMITS, True)


def test_the_first_step_that_breaks_is_named_with_the_worst_sample():
    broken = changed(answers(), lambda index, output: output + (5.0 if index == 7 else 0.0))
    finding = refusal({"eager": answers(), "exported": answers(), "quantized": broken, "pte": answers(1)})
    assert finding.code == "parity-broken"
    assert "from exported to quantized" in finding.message
    assert "SQNR" in finding.message
    assert "sample 7" in finding.hint


def test_what_adds_up_over_the_steps_is_not_blamed_on_a_kernel():
    broken = changed(answers(), lambda index, output: output + 5.0)
    assert "a kernel" in refusal({"quantized": answers(), "pte": broken}).hint
    whole = refusal({"eager": answers(), "pte": broken}).hint
    assert "adds up" in whole and "samples like it" in whole and "a kernel" not in whole
    assert "evaluation mode" in refusal({"eager": answers(), "exported": broken}).hint


def test_one_large_error_among_many_small_ones_breaks_the_relative_limit():
    """torchao's weight-only kernels gave cosine 0.998 with errors of a thousand times the outputs."""
    before = [(np.full((1, 1000), 1.0 + index, np.float32),) for index in range(32)]
    after = changed(before, lambda index, output: output + (np.eye(1, 1000, 5, np.float32) * 6 if index == 4 else 0))
    finding = refusal({"eager": before, "exported": after})
    assert finding.code == "parity-broken"
    assert "of the largest value" in finding.message


def test_decisions_count_only_where_the_task_decides():
    before = [(np.array([[10.0, 10.0 + (1e-3 if index % 2 else -1e-3), index]], np.float32),) for index in range(32)]
    after = changed(before, lambda index, output: output[:, [1, 0, 2]] if index < 10 else output)
    points = {"eager": before, "exported": after}
    assert "decisions" in refusal(points).message
    stage.compare(points, IDS, LIMITS, False)


def test_outputs_of_another_shape_are_refused():
    finding = refusal({"eager": answers(), "exported": answers(classes=9)})
    assert finding.code == "parity-broken"
    assert "shape" in finding.message


def test_answers_may_differ_in_shape_from_sample_to_sample():
    mixed = [(np.random.default_rng(index).standard_normal((1, 3 + index % 2)),) for index in range(32)]
    (found,) = stage.compare({"eager": mixed, "exported": mixed}, IDS, LIMITS, False)
    assert found.sqnr == CEILING


def test_samples_that_do_not_differ_need_no_other_answers():
    two = [(np.ones((1, 4), np.float32) * (index % 2),) for index in range(32)]
    assert refusal({"eager": two, "pte": two}).code == "constant-output"
    stage.compare({"eager": two, "pte": two}, IDS, LIMITS, True, (False,), lambda: 2)
    one = [two[0]] * 32
    with pytest.raises(Failure, match="1 distinct answer to 2 different samples"):
        stage.compare({"eager": one, "pte": one}, IDS, LIMITS, True, (False,), lambda: 2)


def scored(flipped=0, classes=3):
    """Scores and the class, which is another one in some samples."""
    return [
        (scores, np.float32([scores.argmax() if index >= flipped else (scores.argmax() + 1) % classes]))
        for index, (scores,) in enumerate(answers(classes=classes))
    ]


def test_integers_are_judged_by_how_many_are_the_same():
    (found,) = stage.compare({"eager": scored(), "pte": scored(2)}, IDS, LIMITS, False, (False, True))
    assert (found.sqnr, found.agreement, found.max_abs_error) == (CEILING, 30 / 32, 0.0)
    with pytest.raises(Failure, match=r"87\.5% of an output's integers are the same, at least 90% needed"):
        stage.compare({"eager": scored(), "pte": scored(4)}, IDS, LIMITS, False, (False, True))


def test_classes_alone_may_be_few_and_are_judged_by_how_many_are_the_same():
    before, after = ([row[1:] for row in scored(flipped)] for flipped in (0, 2))
    (found,) = stage.compare({"eager": before, "pte": after}, IDS, LIMITS, True, (True,))
    assert found.agreement == 30 / 32


def test_integers_that_are_near_as_numbers_are_levels_and_not_classes():
    before = [(np.full((1, 8), 100.0 + index, np.float32),) for index in range(32)]
    after = [(row[0] + 1,) for row in before]
    stage.compare({"eager": before, "pte": after}, IDS, LIMITS, False, (True,))
