"""A tiny network for the kinds of bundles that other systems' tools build: sources, data and manifest of a project."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NET = '''
import torch


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, stride=2, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 4)
    ).eval()
'''

MANIFEST = """
apiVersion: edgec/v1
name: tiny-net
version: 1.2.0
description: A network of two layers.
model: {{source: python, entry: "nets:net"}}
inputs: [{{name: x, shape: [1, 1, 8, 8]}}]
task: {{name: classification, options: {{labels: labels.txt}}}}
data:
  calibration: {{format: npz, path: data.npz}}
  evaluation: {{format: npz, path: data.npz}}
quantization: {recipe}
targets: {targets}
budgets: {{memory: {memory}, latency: {{p90: 100ms}}}}
"""


def write(folder: Path, targets: str, recipe: str = "int8", memory: str = "1MB") -> Path:
    """Write the project into ``folder`` and return its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nets.py").write_text(NET)
    (folder / "labels.txt").write_text("one\ntwo\nthree\nfour\n")
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 1, 1, 8, 8)).astype("float32")
    np.savez(folder / "data.npz", x=x[:, 0], label=random.integers(0, 4, 64))
    path = folder / "tiny.yaml"
    path.write_text(MANIFEST.format(targets=targets, recipe=recipe, memory=memory))
    return path
