"""False accepts per hour: by the runner's rules, over recordings alone, with an interval of a Poisson rate."""

import numpy as np
import pytest

from edgec.artifacts.samples import NO_CLASS, Evaluation
from edgec.diagnostics import Failure
from edgec.metrics import accuracy, far_per_hour
from edgec.metrics.far_per_hour import told
from edgec.metrics.interval import poisson_interval

CLASSES = ("yes", "no", "silence")


def rows(text: str) -> np.ndarray:
    """Probabilities of windows: y, n, s a sure one; ? neither."""
    sure = {"y": [0.98, 0.01, 0.01], "n": [0.01, 0.98, 0.01], "s": [0.01, 0.01, 0.98], "?": [0.34, 0.33, 0.33]}
    return np.array([sure[letter] for letter in text])


@pytest.mark.parametrize(
    "heard, smoothing, refractory, expected",
    [
        ("ssyyss", 1, 0.0, [(2, 0), (3, 0)]),
        ("ssyyss", 1, 0.5, [(2, 0)]),  # two windows of 0.25 s: said once, told once
        ("ssyssyss", 1, 0.75, [(2, 0), (5, 0)]),
        ("ssynss", 1, 0.25, [(2, 0), (3, 1)]),
        ("ssyss", 2, 0.0, []),  # one window is half of the mean
        ("ssyyss", 2, 0.0, [(3, 0)]),
        ("ysss", 3, 0.0, [(0, 0)]),  # at its beginning there is nothing else to take the mean of
        ("????", 1, 0.0, []),
        ("ssss", 1, 0.0, []),
    ],
)
def test_keywords_are_told_by_mean_threshold_and_pause(heard, smoothing, refractory, expected):
    task = {"smoothing": smoothing, "refractory": refractory, "threshold": 0.8}
    assert told(rows(heard), [0, 1], task, 0.25) == expected


def evaluation(*recordings: str, clips: str = "yn") -> Evaluation:
    ids = [f"clip{index}.wav" for index in range(len(clips))]
    labels = [{"y": 0, "n": 1, "s": 2}[letter] for letter in clips]
    for number, heard in enumerate(recordings):
        ids += [f"talk/{number}.wav#{index}" for index in range(len(heard))]
        labels += [NO_CLASS] * len(heard)
    logits = np.log(np.concatenate([rows(text) for text in (clips, *recordings)])).astype(np.float32) + 3
    task = {"background": ["silence"], "smoothing": 1, "refractory": 0.5, "threshold": 0.8}
    return Evaluation(
        ids=tuple(ids), outputs=(logits,), reference=(logits,), labels=np.array(labels), task=task, classes=CLASSES, hop=0.25
    )


def test_the_rate_is_over_the_time_of_recordings_and_clips_do_not_count():
    found = evaluation("ssyyss", "ysssssns")
    assert far_per_hour.value(found, {}) == pytest.approx(3 / (14 * 0.25 / 3600))
    low, high = far_per_hour.interval(found, {})
    assert low < far_per_hour.value(found, {}) < high
    assert far_per_hour.detail(found, {}) == {"events": 3, "hours": pytest.approx(14 * 0.25 / 3600)}
    assert far_per_hour.value(evaluation("ssssss"), {}) == 0


def test_a_recording_knows_nothing_of_the_one_before():
    """Two windows in a row across a border would be one within the pause."""
    assert far_per_hour.value(evaluation("sssy", "ysss"), {}) == pytest.approx(2 / (8 * 0.25 / 3600))


def test_without_recordings_there_is_no_rate():
    with pytest.raises(Failure, match="has none"):
        far_per_hour.value(evaluation(), {})


def test_accuracy_is_of_clips_alone():
    found = evaluation("ssyyss", clips="ynsy")
    assert accuracy.value(found.of_classes(), {}) == 1.0
    assert found.of_classes().ids == ("clip0.wav", "clip1.wav", "clip2.wav", "clip3.wav")


@pytest.mark.parametrize(
    "count, low, high", [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390), (100, 81.36, 121.63)]
)
def test_the_interval_is_garwoods(count, low, high):
    """Garwood's table, as Ulm (1990, Am. J. Epidemiology 131) prints it."""
    assert poisson_interval(count) == pytest.approx((low, high), abs=6e-3)
