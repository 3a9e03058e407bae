"""The tests in a bundle for Linux, on models of other shapes than a camera's: what passes its own verification passes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NETWORK = """
import torch


class Two(torch.nn.Module):
    def forward(self, a, b):
        return torch.cat([a, b], 1) * 2


class Seen(torch.nn.Module):
    def forward(self, image, x):
        return image.mean((2, 3)) + x


class As(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.dtype = getattr(torch, name)

    def forward(self, x):
        return (x * 10 + 40).to(self.dtype)


class Positive(torch.nn.Module):
    def forward(self, x):
        return x > 0


class Twice(torch.nn.Module):
    def forward(self, x):
        return x * 2


two, seen, positive, twice = Two, Seen, Positive, Twice


def converted(name):
    return As(name)
"""

TENSOR = "{name: x, shape: [1, 7], dtype: float32}"
IMAGE = "{name: image, image: {width: 4, height: 4}}"

MODELS = {
    "two-inputs": ("two", "", "{name: a, shape: [1, 3], dtype: float32}, {name: b, shape: [1, 4], dtype: float32}"),
    "twelve-bytes": ("twice", "", "{name: x, shape: [1, 3], dtype: float32}"),
    "one-axis": ("twice", "", "{name: x, shape: [1, {min: 1, max: 8}], dtype: float32}"),
    "two-axes": ("twice", "", "{name: x, shape: [{min: 1, max: 2}, {min: 1, max: 8}], dtype: float32}"),
    "picture-and-tensor": ("seen", "", IMAGE + ", {name: x, shape: [1, 3], dtype: float32}"),
    "truth": ("positive", "", TENSOR),
    **{name: ("converted", f", arguments: {{name: {name}}}", TENSOR) for name in ("uint8", "int64", "float16", "float64")},
}
"""An entry of NETWORK, its arguments, and its inputs; by a name for the bundle."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_good_bundle_passes_its_own_tests(edgec, tmp_path: Path, name: str) -> None:
    entry, arguments, inputs = MODELS[name]
    project = tmp_path / "project"
    project.mkdir()
    (project / "network.py").write_text(NETWORK)
    (project / "trial.yaml").write_text(
        f"apiVersion: edgec/v1\nname: trial\nversion: 1.0.0\n"
        f'model: {{source: python, entry: "network:{entry}"{arguments}}}\n'
        f"inputs: [{inputs}]\ntask: tensor\nquantization: fp32\ndelegate: xnnpack\ntargets: [linux-x86_64]\n"
    )
    done = edgec("build", project / "trial.yaml", "--allow-code", "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    folder = json.loads(done.stdout)["outcomes"][0]["folder"]
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "own", f"{folder}/tests"]
    ran = subprocess.run(tests, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
