"""Architectures that nobody planned for build and verify without a change of code: only the manifest's name differs."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MANIFEST = """
apiVersion: edgec/v1
name: trial
version: 0.0.1
model: {{source: torchvision, name: {name}, arguments: {{num_classes: 10}}, weights: {{random: 3}}}}
inputs:
  - name: image
    image: {{width: {size}, height: {size}, fit: cover, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
task: {{name: classification, options: {{labels: labels/digits.txt}}}}
data:
  calibration: {{format: image-folder, path: data/digits/train, samples: 32}}
  evaluation: {{format: image-folder, path: data/digits/test, samples: 32}}
quantization: {recipe}
targets: [linux-x86_64]
"""


def build(edgec, folder, name, recipe, size):
    project = folder / "project"
    shutil.copytree(ROOT / "manifests" / "data", project / "data")
    shutil.copytree(ROOT / "manifests" / "labels", project / "labels")
    (project / "trial.yaml").write_text(MANIFEST.format(name=name, recipe=recipe, size=size))
    done = edgec("build", project / "trial.yaml")
    assert done.returncode == 0, done.stderr
    assert "not-for-release" in done.stderr
    verified = edgec("verify", project / "out" / "trial" / "0.0.1" / "linux-x86_64")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_model_that_nobody_planned_for(edgec, tmp_path):
    build(edgec, tmp_path, "squeezenet1_1", "int8", 64)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize(
    "name",
    ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "mnasnet0_5", "regnet_y_400mf", "efficientnet_b0", "densenet121"],
)
def test_many_more(edgec, tmp_path, name, recipe):
    build(edgec, tmp_path, name, recipe, 64)
