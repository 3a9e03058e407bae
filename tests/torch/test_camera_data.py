"""The camera's committed pictures and weights are what manifests/train_camera.py makes."""

import hashlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL.Image
import pytest
import safetensors.torch
from sklearn.datasets import load_digits

from edgec.artifacts.manifest import Image
from edgec.datasets.pixels import pixels
from edgec.upstream.torchvision_ops import import_torchvision

MANIFESTS = Path(__file__).parents[2] / "manifests"
DIGITS = MANIFESTS / "data" / "digits"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_camera", MANIFESTS / "train_camera.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_calibration_and_evaluation_share_no_digit() -> None:
    train = {int(path.stem): path.parent.name for path in (DIGITS / "train").rglob("*.png")}
    test = {int(path.stem): path.parent.name for path in (DIGITS / "test").rglob("*.png")}
    assert (len(train), len(test)) == (256, 797) and not set(train) & set(test)
    assert max(train) < 1000 <= min(test)
    target = load_digits().target
    assert all(int(name) == target[index] for index, name in {**train, **test}.items())


def test_pictures_are_the_scripts(script: ModuleType) -> None:
    digits = load_digits()
    for path in sorted(DIGITS.rglob("*.png"))[::37]:
        index = int(path.stem)
        with PIL.Image.open(path) as committed:
            # Another platform's sine may round one grey level otherwise.
            drawn = np.asarray(script.draw(digits.images[index], (script.SEED, index)), int)
            assert np.abs(np.asarray(committed, int) - drawn).max() <= 1


def test_the_weights_are_those_of_the_manifest_and_read_held_out_digits() -> None:
    import torch

    path = MANIFESTS / "weights" / "camera.safetensors"
    manifest = (MANIFESTS / "camera.yaml").read_text(encoding="utf-8")
    named = re.search("sha256: ([0-9a-f]{64})", manifest)
    assert named is not None and named.group(1) == hashlib.sha256(path.read_bytes()).hexdigest()
    model = import_torchvision().models.get_model("mobilenet_v2", num_classes=10, width_mult=0.5).eval()
    model.load_state_dict(safetensors.torch.load_file(path))
    files = sorted((DIGITS / "test").rglob("*.png"))[::8]
    batch = np.stack([pixels(file, Image(width=96, height=96)) for file in files])
    with torch.no_grad():
        answers = model((torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).argmax(1)
    right = sum(int(answer) == int(file.parent.name) for answer, file in zip(answers, files, strict=True))
    assert right / len(files) >= 0.95
