"""Networks for the recipes' tests, as a project's module: linear, convolutional, attention, and what a recipe leaves."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import plans
from plans import project, tensor

from edgec.artifacts.manifest import Choice, Data
from edgec.artifacts.plan import Plan

SOURCE = '''
import torch
from torch import nn


class Seeded(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)


class Perceptron(Seeded):
    """[1, 64] to 8 scores; every linear layer's inputs are a multiple of 32."""

    def __init__(self, hidden=128):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 64), nn.GELU(), nn.Linear(64, 8))

    def forward(self, x):
        return self.layers(x)


class Odd(Seeded):
    """[1, 64] to 8 scores; the inputs of two layers of three are no multiple of 32."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 37), nn.ReLU(), nn.Linear(37, 21, bias=False), nn.ReLU(), nn.Linear(21, 8))

    def forward(self, x):
        return self.layers(x)


class NoneFits(Seeded):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 8))

    def forward(self, x):
        return self.layers(x[:, :20])


class Attention(Seeded):
    """[1, 64] taken as four tokens of 16, through an encoder of width 32, to 8 scores."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv1d(1, 32, 16, stride=16)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(32, 8)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x.unsqueeze(1)).transpose(1, 2)).mean(1))


class Convolutional(Seeded):
    """[1, 64] as a picture of 8x8, through convolutions with and without a ReLU and a depthwise one, to 8 scores."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU6(),
            nn.Conv2d(16, 64, 1), nn.ReLU(), nn.Conv2d(64, 8, 8),
        )

    def forward(self, x):
        return self.layers(x.view(1, 1, 8, 8)).flatten(1)


class WithHead(Convolutional):
    """The same with a linear layer at the end."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 8)

    def forward(self, x):
        return self.head(super().forward(x))


class Tokens(Seeded):
    """[1, 1..8, 64] to [1, 1..8, 8]."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))

    def forward(self, x):
        return self.layers(x)


class Scaled(Seeded):
    """Nothing that multiplies matrices."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(64))

    def forward(self, x):
        return (x * self.weight).relu() + 1
'''

FILES = {"small_nets.py": hashlib.sha256(SOURCE.encode()).hexdigest()}
INPUTS = (tensor("x", 1, 64),)


def write(folder: Path) -> Path:
    """Write the module and 64 samples; return the folder."""
    (folder / "small_nets.py").write_text(SOURCE)
    np.savez(folder / "rows.npz", x=np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32))
    return folder


def net(name: str, recipe: str, delegate: str = "xnnpack", roles: tuple[str, ...] = ("evaluation",), **options) -> Plan:
    """Return the plan of one network with one recipe and its options."""
    made = plans.plan(
        Choice(name="python", options={"entry": f"small_nets:{name}"}), INPUTS,
        recipe=Choice(name=recipe, options=options), delegates=(delegate,),
        data=tuple(Data(role=role, format="npz", options={"path": "rows.npz"}) for role in roles),
    )  # fmt: skip
    return replace(made, files=FILES)


def lowered(made: Plan, where: Path, folder: Path):
    """Lower in this process; the artifact still runs in one of its own."""
    from edgec.lowering import lowering

    folder.mkdir(exist_ok=True)
    return lowering(made, project(where), folder, lambda line: None)
