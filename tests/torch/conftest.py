"""A project of tiny networks with data, shared by the tests that lower."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # plans.py

NETS = '''
import torch
from torch import nn


class Seeded(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)


class Tiny(Seeded):
    """Picture [1, 3, 16, 16] to 10 scores."""

    def __init__(self, poison=False):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10),
        )
        if poison:
            with torch.no_grad():
                self.body[0].weight[0, 0, 0, 0] = float("nan")

    def forward(self, x):
        return self.body(x)


class Linear(Seeded):
    """[1, 16] to 4 scores."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, x):
        return self.layers(x)


class Many(Linear):
    def forward(self, x, scale):
        y = self.layers(x * scale)
        return {"out": y, "aux": (y.relu(), [y.sum(dim=1)])}


class Sequence(Seeded):
    """[1, 2..8, 16] to [1, 2..8, 4]."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 4)

    def forward(self, x):
        return torch.relu(self.layer(x))


class Constant(Linear):
    def forward(self, x):
        return self.layers(x * 0)


class Branches(Linear):
    def forward(self, x):
        if x.sum() > 0:
            return self.layers(x)
        return self.layers(-x)


class Sorts(Linear):
    def forward(self, x):
        return torch.sort(self.layers(x)).values


class Random(Linear):
    def forward(self, x):
        return self.layers(x) + torch.rand(1, 4)


class Normed(Seeded):
    """A layer norm over 256 elements: wrong in fp16 in ExecuTorch 1.5.1's portable kernel."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 256), nn.LayerNorm(256), nn.Linear(256, 4))

    def forward(self, x):
        return self.layers(x)


class Dies(Linear):
    def forward(self, x):
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)


class Exits(Linear):
    def forward(self, x):
        import os, sys
        print("last words", file=sys.stderr, flush=True)
        os._exit(3)


class Sleeps(Linear):
    def forward(self, x):
        import time
        open("sleeping", "w").close()
        time.sleep(600)
'''


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory) -> Path:
    """A folder with nets.py, pictures.npz (64 labelled [16, 16, 3]) and vectors.npz (64 of [16])."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "nets.py").write_text(NETS)
    generator = np.random.default_rng(0)
    flat = np.repeat(generator.integers(0, 256, (64, 4, 4, 3)), 4, axis=1).repeat(4, axis=2)
    noisy = np.clip(flat + generator.normal(0, 20, (64, 16, 16, 3)), 0, 255).astype(np.float32)
    np.savez(folder / "pictures.npz", image=noisy, label=np.arange(64) % 10)
    np.savez(folder / "unscaled.npz", image=(noisy / 255).astype(np.float32), label=np.arange(64) % 10)
    np.savez(folder / "vectors.npz", x=generator.standard_normal((64, 16)).astype(np.float32))
    return folder
