"""checks/truth_fits: each task beside each format of data, with and without labels, and with metrics that need none."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from pathlib import Path

import pytest

from edgec.artifacts.project import Project
from edgec.checks import slices_usable, truth_fits
from edgec.stages.parse import parse
from edgec.stages.read import read

OPTIONS = {
    "classification": {"labels": ["cat", "dog"]},
    "keyword-spotting": {"labels": ["cat", "dog"]},
    "embedding": {"labels": ["cat", "dog"]},
    "segmentation": {"labels": ["cat", "dog"]},
    "detection": {"labels": ["cat", "dog"], "anchors": [[[8, 8]]]},
}
FIRST = {
    "classification": "top1",
    "keyword-spotting": "accuracy",
    "embedding": "recall1",
    "segmentation": "miou",
    "detection": "map50",
    "regression": "mae",
    "anomaly": "auc",
}
"""A metric of each task that compares with the truth."""
IMAGE = {"name": "x", "image": {"width": 4, "height": 4}}
SOUND = {"name": "x", "audio": {"sample_rate": 1000, "seconds": 0.1}}
PLAIN = {"name": "x", "shape": [1, 2]}
DATA = {
    "image-folder": (IMAGE, {"path": "classes"}),
    "flat": (IMAGE, {"format": "image-folder", "path": "flat"}),
    "audio-folder": (SOUND, {"path": "classes"}),
    "flat sound": (SOUND, {"format": "audio-folder", "path": "flat"}),
    "npz": (PLAIN, {"path": "labelled.npz"}),
    "bare npz": (PLAIN, {"format": "npz", "path": "bare.npz"}),
    "csv": (PLAIN, {"path": "labelled.csv"}),
    "bare csv": (PLAIN, {"format": "csv", "path": "bare.csv"}),
    "coco": (IMAGE, {"path": "flat", "annotations": "boxes.json"}),
    "segmentation-folder": (IMAGE, {"path": "masked"}),
}
CLASS_TASKS = ("classification", "keyword-spotting", "embedding")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Data of every format; no rule on truths decodes a picture or a sound, so these are empty."""
    for name in ("classes/cat/1", "classes/dog/2", "flat/1", "masked/images/1", "masked/masks/1"):
        for suffix in (".png", ".wav"):
            path = (tmp_path / name).with_suffix(suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for name, keys in (("labelled", ("x", "label")), ("bare", ("x",))):
        with zipfile.ZipFile(tmp_path / f"{name}.npz", "w") as archive:
            for key in keys:
                archive.writestr(f"{key}.npy", b"")
        header = "a,b,label" if len(keys) == 2 else "a,b"
        (tmp_path / f"{name}.csv").write_text(f"{header}\n{'1,2,cat' if len(keys) == 2 else '1,2'}\n")
    boxes = {
        "images": [{"id": 1, "file_name": "1.png", "width": 4, "height": 4}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path


def manifest(place, task, data, accuracy=(), options=None):
    entry, fields = DATA[data]
    written = {
        "apiVersion": "edgec/v1",
        "name": "trial",
        "version": "1.0.0",
        "model": {"source": "torchvision", "name": "mobilenet_v2", "weights": "DEFAULT"},
        "inputs": [entry],
        "task": {"name": task, "options": OPTIONS.get(task, {}) if options is None else options},
        "targets": ["linux-x86_64"],
        "data": {"evaluation": {"format": data, **fields}},
        "budgets": {"accuracy": list(accuracy)} if accuracy else {},
    }
    (place / "m.yaml").write_text(json.dumps(written))
    return parse(read(place / "m.yaml", "m.yaml")), Project(root=place, folder=place)


def limit(metric, **fields):
    return {"metric": metric, ("max" if metric in ("mae", "max-abs-error") else "min"): 0.5, **fields}


def found(place, task, data, *accuracy, options=None):
    return truth_fits.check(*manifest(place, task, data, accuracy, options))


@pytest.mark.parametrize(
    ("task", "data"),
    [
        *((task, data) for task in CLASS_TASKS for data in ("coco", "segmentation-folder")),
        *(("regression", data) for data in ("coco", "segmentation-folder", "image-folder", "flat")),
        *(("anomaly", data) for data in ("coco", "segmentation-folder", "audio-folder", "flat sound")),
        *(("detection", data) for data in ("segmentation-folder", "image-folder", "flat", "npz", "csv")),
        *(("segmentation", data) for data in ("coco", "image-folder", "flat", "npz", "csv")),
    ],
)
def test_a_format_of_another_truth_than_the_tasks_does_not_fit(place, task, data):
    (finding,) = found(place, task, data, limit(FIRST[task]))
    assert (finding.code, finding.where.route) == ("does-not-fit", ("data", "evaluation", "format"))
    assert repr(task) in finding.message and repr(DATA[data][1].get("format", data)) in finding.message


def test_the_message_names_both_kinds_and_the_formats_that_fit(place):
    (finding,) = found(place, "classification", "coco")
    assert finding.message == "the task 'classification' compares with a class, and the format 'coco' gives boxes"
    assert finding.hint == "formats that give a class: image-folder, audio-folder, npz, csv"
    (finding,) = found(place, "detection", "npz")
    assert finding.message == "the task 'detection' compares with boxes, and the format 'npz' gives a class or numbers"
    assert finding.hint == "formats that give boxes: coco"


@pytest.mark.parametrize(
    ("task", "data"),
    [
        *((task, data) for task in CLASS_TASKS for data in ("image-folder", "audio-folder", "npz", "csv")),
        *((task, data) for task in ("regression", "anomaly") for data in ("npz", "csv")),
        ("detection", "coco"),
        ("segmentation", "segmentation-folder"),
    ],
)
def test_a_format_of_the_tasks_truth_fits(place, task, data):
    assert found(place, task, data, limit(FIRST[task])) == []


@pytest.mark.parametrize(
    ("task", "data"),
    [
        *((task, data) for task in CLASS_TASKS for data in ("flat", "flat sound", "bare npz", "bare csv")),
        *((task, data) for task in ("regression", "anomaly") for data in ("bare npz", "bare csv")),
    ],
)
def test_a_budget_that_compares_with_the_truth_needs_labels(place, task, data):
    (finding,) = found(place, task, data, limit(FIRST[task]), limit(FIRST[task]), limit("sqnr"))
    assert (finding.code, finding.where.route) == ("needs-data", ("data", "evaluation"))
    assert finding.message == f"a budget of {FIRST[task]} compares with the truth, and the evaluation data has no labels"


@pytest.mark.parametrize("data", ["flat", "flat sound", "bare npz", "bare csv"])
@pytest.mark.parametrize("task", [*FIRST, "tensor"])
def test_metrics_that_need_no_labels_take_data_without(place, task, data):
    assert found(place, task, data) == []
    assert found(place, task, data, limit("sqnr"), limit("max-abs-error")) == []


@pytest.mark.parametrize("data", DATA)
def test_tensors_are_compared_with_no_truth(place, data):
    assert found(place, "tensor", data, limit("sqnr")) == []


@pytest.mark.parametrize("data", ["coco", "segmentation-folder"])
def test_pictures_are_taken_out_of_any_format_where_nothing_looks_at_their_truth(place, data):
    assert found(place, "embedding", data, limit("cosine")) == []
    (finding,) = found(place, "embedding", data, limit("cosine", slices={"by": "class", "min": 0.4}))
    assert finding.code == "does-not-fit"


def test_flips_compare_with_no_truth(place):
    assert found(place, "classification", "flat", {"metric": "top1", "max_flips": 0.1}) == []


def test_class_folders_without_class_names_are_told_to_be_named(place):
    (finding,) = found(place, "embedding", "image-folder", limit("recall1"), options={})
    assert finding.code == "needs-data" and "`labels`" in finding.hint


def test_folders_that_are_no_classes_are_no_truth(place):
    assert found(place, "regression", "image-folder", limit("sqnr")) == []


@pytest.mark.parametrize("data", ["image-folder", "audio-folder", "npz", "csv"])
def test_data_that_cannot_be_read_are_another_rules(place, data, monkeypatch):
    monkeypatch.setitem(DATA, data, (DATA[data][0], {"path": "gone"}))
    assert found(place, "classification", data, limit("top1")) == []


@pytest.mark.parametrize("data", ["flat", "bare npz", "bare csv"])
def test_slices_by_class_need_labels(place, data):
    accuracy = {"metric": "agreement", "slices": {"by": "class", "max_flips": 0.1}}
    (finding,) = found(place, "classification", data, accuracy)
    assert (finding.code, finding.where.route) == ("needs-data", ("data", "evaluation"))
    assert finding.message.startswith("slices by class need to know each sample's class, and")


def test_a_slice_that_only_looks_the_same_is_told_so(place):
    there, asked = (unicodedata.normalize(form, "été") for form in ("NFD", "NFC"))
    (place / "classes" / "cat" / there).mkdir()
    (place / "classes" / "cat" / there / "3.png").touch()
    slices = {"by": "folder", "folders": [asked], "min": 0.4}
    (finding,) = slices_usable.check(*manifest(place, "classification", "image-folder", [{"metric": "top1", "slices": slices}]))
    assert finding.code == "slice-empty" and "another Unicode normalisation" in finding.hint and repr(there) in finding.hint


@pytest.mark.parametrize("name", [None, "cat"])
@pytest.mark.parametrize("data", ["coco", "segmentation-folder", "flat"])
def test_slices_by_class_add_no_second_finding(place, data, name):
    accuracy = limit("top1", slices={"by": "class", "min": 0.4, **({"classes": [name]} if name else {})})
    assert len(found(place, "classification", data, accuracy)) == 1
    assert slices_usable.check(*manifest(place, "classification", data, [accuracy])) == []
