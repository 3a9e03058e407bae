"""The detector's committed pictures are what manifests/train_detector.py makes, and nothing of evaluation was trained on."""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import yaml
from sklearn.datasets import load_digits, load_sample_images

MANIFESTS = Path(__file__).parents[2] / "manifests"
DATA = MANIFESTS / "data" / "detector"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(MANIFESTS))
    try:
        spec = importlib.util.spec_from_file_location("train_detector", MANIFESTS / "train_detector.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["train_detector"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(MANIFESTS))
        sys.modules.pop("train_detector", None)


@pytest.mark.parametrize(("name", "stream", "held_out", "count"), [("calibration", 1, False, 60), ("evaluation", 2, True, 120)])
def test_the_committed_set_is_the_generated_one(script, name, stream, held_out, count):
    content = json.loads((DATA / f"{name}.json").read_text())
    assert len(content["images"]) == count == len(list((DATA / name).glob("*.jpg")))
    boxes = {image["id"]: [] for image in content["images"]}
    for entry in content["annotations"]:
        boxes[entry["image_id"]].append((entry["category_id"] - 1, entry["bbox"]))
    assert any(not found for found in boxes.values()), "some pictures show no digit"
    for image in content["images"][:8]:
        picture, found = script.composed((script.SEED, stream, image["id"] - 1), held_out)
        assert boxes[image["id"]] == found
        with PIL.Image.open(DATA / name / image["file_name"]) as committed:
            assert committed.size == picture.size == (image["width"], image["height"])
            difference = np.asarray(committed, dtype=float) - np.asarray(picture, dtype=float)
            assert abs(difference).mean() < 12, "a JPEG of it"


def test_evaluation_shares_no_digit_and_no_part_of_a_photograph_with_training(script):
    digits, photographs = load_digits(), load_sample_images().images
    seen, held = script.material(False), script.material(True)
    assert len(seen[0]) + len(held[0]) == len(digits.images)
    for (training, evaluation), photograph in zip(zip(seen[2], held[2], strict=True), photographs, strict=True):
        assert training.shape[1] + evaluation.shape[1] == photograph.shape[1]
        assert np.array_equal(np.concatenate((training, evaluation), axis=1), photograph)
    assert np.array_equal(np.concatenate((seen[0], held[0])) * 16, digits.images)
    assert set(held[1]) == set(range(10))


def test_training_asks_for_what_is_not_held_out(script, monkeypatch):
    asked = []
    monkeypatch.setattr(script, "composed", lambda seed, held_out, crowd=6: asked.append((seed, held_out)) or script_picture())
    for stage in range(len(script.STAGES)):
        script.fitted(5, stage)
    assert asked and not any(held_out for _, held_out in asked)
    assert not {seed[1] for seed, _ in asked} & {1, 2}, "seeds of the committed sets"


def script_picture():
    return PIL.Image.new("RGB", (160, 200)), [(3, [10.0, 20.0, 30.0, 40.0])]


def test_boxes_are_fitted_as_edgec_fits_them(script, monkeypatch):
    from edgec.artifacts.manifest import Image
    from edgec.datasets.pixels import placement

    monkeypatch.setattr(script, "composed", lambda seed, held_out, crowd=6: script_picture())
    _, ((_, box),) = script.fitted(0, 0)
    place = placement((160, 200), Image(width=script.SIDE, height=script.SIDE, fit="contain"))
    back = [box[0] * place.across + place.left, box[1] * place.down + place.upper, box[2] * place.across, box[3] * place.down]
    assert back == pytest.approx([10, 20, 30, 40], abs=1e-6)


def test_the_manifest_states_what_was_trained(script):
    manifest = yaml.safe_load((MANIFESTS / "detector.yaml").read_text())
    assert manifest["task"]["options"]["anchors"] == [[list(anchor) for anchor in head] for head in script.ANCHORS]
    assert manifest["model"]["arguments"] == {"classes": 10, "width": script.WIDTH}
    image = manifest["inputs"][0]["image"]
    assert (image["width"], image["height"]) == (script.SIDE, script.SIDE)
    weights = MANIFESTS / manifest["model"]["weights"]["file"]
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == manifest["model"]["weights"]["sha256"]
    assert weights.stat().st_size < 8e6


def test_the_loss_is_small_for_heads_that_are_right_and_grows_as_they_are_not(script):
    import torch

    targets = torch.tensor([[0, 3, 80.0, 80.0, 31.0, 42.0]])

    def heads(kind=3, shift=0.0, objectness=9.0):
        coarse, fine = torch.full((1, 45, 5, 5), -9.0), torch.full((1, 45, 10, 10), -9.0)
        coarse[0, :4, 2, 2], coarse[0, 4, 2, 2], coarse[0, 5 + kind, 2, 2] = 0.0, objectness, 9.0
        coarse[0, 0, 2, 2] = shift
        coarse[0, 15:19, 2, 2], coarse[0, 19, 2, 2], coarse[0, 20 + kind, 2, 2] = 0.0, objectness, 9.0
        coarse[0, 17, 2, 2], coarse[0, 18, 2, 2] = np.log(31 / 43), np.log(42 / 56)
        return coarse, fine

    right = float(script.loss(heads(), targets, 5))
    assert right < 0.1
    for wrong in (heads(kind=4), heads(shift=2.0), heads(objectness=-9.0)):
        assert float(script.loss(wrong, targets, 5)) > right + 0.1
