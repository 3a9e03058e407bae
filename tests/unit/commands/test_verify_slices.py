"""A bundle's accuracy is judged again on the device, on the whole data set and on each slice that has a budget."""

from pathlib import Path

import pytest

from edgec.commands.verify import judged, slices
from edgec.runtime import verification
from edgec.runtime.verification import Place, top1


def budget(name, limit=0.8, part=None):
    record = {"name": name, "kind": "accuracy", "statistic": "top1", "sense": "min", "limit": limit, "text": "80%"}
    return {**record, "slice": part} if part else record


DOG, NIGHT, WOLF = ({"by": by, "name": name} for by, name in (("class", "dog"), ("folder", "night"), ("class", "wolf")))
BUDGETS = [
    budget("accuracy.top1.min"),
    budget("accuracy.top1.min[class dog]", 0.9, DOG),
    budget("accuracy.top1.min[folder night]", 0.5, NIGHT),
    budget("accuracy.top1.min[class wolf]", 0.5, WOLF),
    {**budget("accuracy.top1.max_drop[class dog]", 0.1, DOG), "sense": "max_drop"},
]
FOLDER = Path("data")
IMAGES = [(FOLDER / ("cat" if index % 2 else "dog") / ("night" if index < 40 else "day") / f"{index}.png",
           "cat" if index % 2 else "dog") for index in range(120)]  # fmt: skip


@pytest.fixture
def found(monkeypatch):
    """Dogs are taken for cats by night."""
    named = [{"label": "cat" if "night" in path.parts else label} for path, label in IMAGES]
    monkeypatch.setattr(verification, "classify", lambda bundle, place, images: named)
    return top1(None, Place(evidence="device"), IMAGES, FOLDER, slices(BUDGETS))


def test_slices_are_counted_beside_the_whole(found):
    assert (found["correct"], found["samples"]) == (100, 120)
    assert found["slices"] == [
        {**DOG, "accuracy": 40 / 60, "correct": 40, "samples": 60},
        {**NIGHT, "accuracy": 0.5, "correct": 20, "samples": 40},
        {**WOLF, "accuracy": None, "correct": 0, "samples": 0},
    ]


def test_each_budget_has_its_verdict_and_others_keep_theirs(found):
    before = [{"budget": "latency.p90", "status": "met"}, {"budget": "accuracy.top1.min", "status": "deferred"}]
    record = judged({"verdicts": before}, BUDGETS, found)
    assert {verdict["budget"]: verdict["status"] for verdict in record["verdicts"]} == {
        "accuracy.top1.min": "met",
        "accuracy.top1.min[class dog]": "missed",
        "accuracy.top1.min[folder night]": "met",
        "accuracy.top1.min[class wolf]": "inconclusive",
        "latency.p90": "met",
    }


def test_without_slices_the_record_is_as_it_was(monkeypatch):
    monkeypatch.setattr(verification, "classify", lambda *given: [{"label": label} for _, label in IMAGES])
    assert top1(None, Place(evidence="host"), IMAGES, FOLDER) == {
        "metric": "top1", "accuracy": 1.0, "correct": 120, "samples": 120, "evidence": "host"
    }  # fmt: skip
