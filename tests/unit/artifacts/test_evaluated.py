"""What is kept of an evaluation reads back as it was, and what is no such record is refused with a reason."""

import json

import pytest

from edgec.artifacts.evaluated import Evaluated, evaluated_of, evaluated_record

KEPT = Evaluated(
    format="image-folder", path="data/test", samples=("0/a.png", "1/b.png"), truth=(0, 1), decisions=(0, 0), reference=(0, 1),
    scores={"top1": (1.0, 0.0), "mae": (0.123456789, 2.0)},
)  # fmt: skip


def test_it_reads_back_to_seven_digits():
    found = evaluated_of(json.loads(json.dumps(evaluated_record(KEPT))))
    assert (found.samples, found.truth, found.decisions, found.reference) == (
        KEPT.samples, KEPT.truth, KEPT.decisions, KEPT.reference,
    )  # fmt: skip
    assert found.scores == {"top1": (1, 0), "mae": (0.1234568, 2.0)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": None}, "samples"),
        ({"samples": ["a", "a"]}, "different names"),
        ({"decisions": [1]}, "decisions has 1 values for 2 samples"),
        ({"truth": ["0", "1"]}, "truth"),
        ({"reference": [True, False]}, "reference"),
        ({"scores": {"top1": [1.0]}}, "top1"),
        ({"scores": []}, "scores"),
    ],
)
def test_what_is_no_evaluation_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        evaluated_of({**evaluated_record(KEPT), **change})


def test_null_is_no_evaluation():
    with pytest.raises(ValueError, match="object"):
        evaluated_of(None)
