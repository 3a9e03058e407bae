"""Segmentation from pictures and masks to a bundle that tells shares and writes masks; budgets of pipeline and load."""

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import safetensors.torch
import torch

from edgec.artifacts.manifest import Image
from edgec.datasets.pixels import pixels

NETS = """
import torch

class Colours(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scores = torch.nn.Conv2d(3, 3, 1)
        self.smooth = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        scores = self.scores(x)
        return {"out": self.smooth(scores), "aux": scores}

def colours():
    return Colours()
"""

MANIFEST = """
apiVersion: edgec/v1
name: colours
version: 1.0.0
model: {{source: python, entry: "nets:colours", weights: {{file: colours.safetensors, sha256: "{sha256}"}}}}
inputs: [{{name: image, image: {{width: 24, height: 16, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}}}]
task: {{name: segmentation, options: {{labels: [red, green, blue]}}}}
data:
  calibration: {{format: segmentation-folder, path: data, samples: 16}}
  evaluation: {{format: segmentation-folder, path: data}}
quantization: int8
targets: [linux-x86_64]
budgets:
  accuracy: {{metric: miou, min: 80%, max_drop: 5%, max_flips: 12%, slices: {{by: folder, folders: [night], min: 70%}}}}
  latency:
    - {{p90: 1s}}
    - {{p90: 1s, of: pipeline}}
    - {{p90: 1s, of: pipeline, after: 0.5s}}
    - {{p90: 1s, after: 10min}}
  throughput: {{min: 1fps, of: pipeline}}
"""

TORCHVISION = """
apiVersion: edgec/v1
name: untrained
version: 1.0.0
model: {source: torchvision, name: lraspp_mobilenet_v3_large, arguments: {num_classes: 3}, weights: {random: 3}}
inputs: [{name: image, image: {width: 32, height: 32}}]
task: {name: segmentation, options: {labels: [red, green, blue]}}
data:
  calibration: {format: segmentation-folder, path: data, samples: 8}
  evaluation: {format: segmentation-folder, path: data, samples: 8}
targets: [linux-x86_64]
"""


def weights():
    """Each class's score is its colour's channel, smoothed a little."""
    scores, smooth = torch.eye(3).reshape(3, 3, 1, 1), torch.zeros(3, 3, 3, 3)
    for channel in range(3):
        smooth[channel, channel] = torch.tensor([[0.02, 0.05, 0.02], [0.05, 0.72, 0.05], [0.02, 0.05, 0.02]])
    return {"scores.weight": scores, "scores.bias": torch.zeros(3), "smooth.weight": smooth, "smooth.bias": torch.zeros(3)}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """100 pictures of three colours in blocks, a fifth of them at night, with much noise, and a void border in the masks."""
    folder, random = tmp_path_factory.mktemp("colours"), np.random.default_rng(11)
    for index in range(100):
        name = f"{'night/' if index % 5 == 4 else ''}{index:02}.png"
        truth = np.kron(random.integers(0, 3, (4, 6)), np.ones((12, 12), int)).astype(np.uint8)
        light = 40 if index % 5 == 4 else 80
        picture = np.eye(3)[truth] * light + random.normal(60, 60, (*truth.shape, 3))
        truth[0] = 255
        for kind, content in (("images", np.clip(picture, 0, 255).astype(np.uint8)), ("masks", truth)):
            path = folder / "data" / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(content).save(path)
    content = safetensors.torch.save(weights())
    (folder / "nets.py").write_text(NETS)
    (folder / "colours.safetensors").write_bytes(content)
    (folder / "colours.yaml").write_text(MANIFEST.format(sha256=hashlib.sha256(content).hexdigest()))
    (folder / "untrained.yaml").write_text(TORCHVISION)
    return folder


def built(edgec, project, name):
    done = edgec("build", project / f"{name}.yaml", "--allow-code", "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)["outcomes"][0]


@pytest.fixture(scope="module")
def outcome(edgec, project):
    return built(edgec, project, "colours")


def run(outcome, *arguments):
    return subprocess.run([f"{outcome['folder']}/run.sh", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_masks_judge_it(outcome):
    figures = {figure["name"]: figure for figure in outcome["figures"]}
    found = figures["accuracy.miou"]
    low, high = found["interval"]
    assert 0.8 < low < found["value"] < high < 1 and found["samples"] == 100
    assert len(found["detail"]["classes"]) == 3
    assert abs(figures["accuracy.miou.drop"]["value"]) < 0.02 and 0 <= figures["accuracy.flips"]["value"] < 0.05
    assert figures["accuracy.miou[folder night]"]["samples"] == 20


def test_every_budget_has_the_verdict_that_this_machine_can_give(outcome):
    measured = json.loads(Path(outcome["measurements"]).read_text())
    verdicts = {verdict["budget"]: verdict for verdict in measured["verdicts"]}
    deferred = verdicts.pop("latency.p90[after 10min]")
    assert deferred["status"] == "deferred" and "--sustained" in deferred["reason"]
    small = verdicts.pop("accuracy.miou.min[folder night]")
    assert small["status"] == "inconclusive", "20 samples are too few"
    assert {verdict["status"] for verdict in verdicts.values()} == {"met"}
    assert {"latency.pipeline.p90", "latency.pipeline.p90[after 0.5s]", "throughput.pipeline"} <= verdicts.keys()
    assert {verdict["evidence"] for verdict in verdicts.values()} == {"host"}


def test_the_runner_tells_each_class_s_share_as_the_model_does(outcome, project, tmp_path):
    pictures = sorted((project / "data" / "images").rglob("*.png"))[:6]
    masks = tmp_path / "masks"
    masks.mkdir()
    done = run(outcome, *pictures, "--masks", masks)
    assert done.returncode == 0, done.stderr
    size, parts = Image(width=24, height=16, fit="cover"), weights()
    for picture, line in zip(pictures, map(json.loads, done.stdout.splitlines()), strict=True):
        given = (torch.from_numpy(pixels(picture, size)).permute(2, 0, 1)[None].float() / 255 - 0.5) / 0.5
        scores = torch.nn.functional.conv2d(given, parts["scores.weight"])
        wanted = torch.nn.functional.conv2d(scores, parts["smooth.weight"], padding=1).argmax(1)[0].numpy()
        mask = np.asarray(PIL.Image.open(line["mask"]))
        assert mask.shape == (16, 24) == (line["height"], line["width"])
        assert (mask == wanted).mean() > 0.95, "int8 differs from float here and there"
        shares = {entry["label"]: (entry["pixels"], entry["share"]) for entry in line["classes"]}
        counts = np.bincount(mask.ravel(), minlength=3)
        assert shares == {
            name: (int(n), pytest.approx(n / 384)) for name, n in zip(("red", "green", "blue"), counts, strict=True) if n
        }
        assert [entry["pixels"] for entry in line["classes"]] == sorted(counts[counts > 0], reverse=True)


def test_masks_need_a_folder_that_is_there(outcome, project, tmp_path):
    done = run(outcome, project / "data" / "images" / "00.png", "--masks", tmp_path / "none")
    assert done.returncode == 2 and "--masks takes a folder" in done.stderr


def test_masks_are_of_segmentations_only(camera, tmp_path):
    folder = camera.folder("linux-x86_64")
    done = run({"folder": folder}, folder / "tests/golden/0.picture.png", "--masks", tmp_path)
    assert done.returncode == 2 and "segmentation" in done.stderr


@pytest.mark.slow
def test_a_network_of_torchvision_that_answers_with_names(edgec, project):
    found = built(edgec, project, "untrained")
    picture = next((project / "data" / "images").glob("*.png"))
    line = json.loads(run(found, picture).stdout)
    assert (line["width"], line["height"]) == (32, 32) and sum(entry["pixels"] for entry in line["classes"]) == 1024
    assert {"accuracy.miou"} <= {figure["name"] for figure in found["figures"]}
