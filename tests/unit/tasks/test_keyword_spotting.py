"""The options of keyword spotting, and outputs that are none of it."""

import pytest

from edgec.tasks import classification, keyword_spotting

LABELS = ["yes", "no", "silence"]


def test_options_that_fit():
    assert keyword_spotting.check({"labels": LABELS, "background": ["silence"]}, None) == []
    assert keyword_spotting.labels({"labels": LABELS}, None) == ("yes", "no", "silence")


@pytest.mark.parametrize(
    "background, words", [(["silense"], "not among the labels"), (LABELS, "every label is background")]
)
def test_background_that_is_no_label_or_every_label(background, words):
    (found,) = keyword_spotting.check({"labels": LABELS, "background": background}, None)
    assert found.code == "wrong-value"
    assert words in found.message


def test_labels_are_looked_at_first():
    (found,) = keyword_spotting.check({"labels": ["yes"], "background": ["no"]}, None)
    assert found.code == "labels-invalid"


def test_an_output_that_is_no_row_of_scores_is_unfit():
    assert keyword_spotting.unfit({}, LABELS, [(1, 3)]) is None
    assert "[1, 4]" in keyword_spotting.unfit({}, LABELS, [(1, 4)])


def test_it_decides_a_class_as_classification_does():
    assert keyword_spotting.DECIDES == classification.DECIDES == "sample"
