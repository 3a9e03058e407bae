"""Plans made by hand for tests: one target, no budgets."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgec.artifacts.manifest import Choice, Data, Dimension, Image, Input
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.target import Target

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


class Looks(Seeded):
    """[1, 16] to 4 scores; a value above 2.5 is looked up where there is nothing."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(4, 4)

    def forward(self, x):
        return self.table((x.max(dim=1).values > 2.5).long() * 9) + x[:, :4]


class Attends(Seeded):
    """A transformer's encoder over 16 rows, [1, 16, 16] to 4 scores."""

    def __init__(self):
        super().__init__()
        self.wide, self.scores = nn.Linear(16, 128), nn.Linear(128, 4)
        self.encoder = nn.TransformerEncoderLayer(128, 4, 1024, batch_first=True, norm_first=True, activation="gelu")

    def forward(self, x):
        return self.scores(self.encoder(self.wide(x)).mean(1))


class Constant(Linear):
    def forward(self, x):
        return self.layers(x * 0)


class Decides(Linear):
    """Scores and the class."""

    def forward(self, x):
        y = self.layers(x)
        return y, y.argmax(-1)


class Table(Seeded):
    """[1, 1] to a row of a table."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(4, 8)

    def forward(self, ids):
        return self.table(ids)


class Masked(Seeded):
    """Ids and a mask, both [1, 1..12], to 4 scores."""

    def __init__(self):
        super().__init__()
        self.table, self.layer = nn.Embedding(4, 16), nn.Linear(16, 4)

    def forward(self, ids, mask):
        return self.layer((self.table(ids) * mask.unsqueeze(-1)).sum(1))


class Twice(Masked):
    """The mask is twice as long as the ids."""

    def forward(self, ids, mask):
        return super().forward(torch.cat([ids, ids], 1), mask)


class Makes(Seeded):
    """[1, 5, 16] to 4 scores, with float32 made in forward, held as a plain attribute and filled in place."""

    def __init__(self):
        super().__init__()
        self.mean = torch.linspace(-1, 1, 16)
        self.memory, self.layer = nn.LSTM(16, 8, batch_first=True), nn.Linear(8, 4)
        self.table = nn.Linear(16, 16)

    def forward(self, x):
        state = torch.zeros(1, x.size(0), 8), torch.zeros(1, x.size(0), 8)
        kept = torch.zeros(1, 5, 16)
        kept[:, 1:] = (x - self.mean + torch.arange(16, dtype=torch.float32) / 16)[:, :-1]
        kept += self.table(torch.linspace(0, 1, 16).unsqueeze(0))
        return self.layer(self.memory(kept.to(x.dtype), state)[0][:, -1])


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


class Crashes(Linear):
    def forward(self, x):
        import ctypes
        ctypes.string_at(0)


class Sleeps(Linear):
    def forward(self, x):
        import time
        open("sleeping", "w").close()
        time.sleep(600)
'''

FILES = {"nets.py": hashlib.sha256(NETS.encode()).hexdigest()}

TARGET = Target(
    name="linux-x86_64",
    summary="",
    architecture="x86_64",
    cpu="generic",
    cores=2,
    threads=2,
    memory=8 << 30,
    glibc="2.27",
    features=(),
    delegates=("xnnpack", "portable"),
    kind="linux-native",
    qemu_cpu="Haswell",
    cpuinfo=None,
    sources=(),
)

FP32 = Choice(name="fp32")


def tensor(name: str, *shape: int | tuple[int, int], dtype: str = "float32") -> Input:
    """An input; an axis given as a pair is dynamic."""
    sizes = [axis if isinstance(axis, tuple) else (axis, axis) for axis in shape]
    return Input(name=name, dtype=dtype, shape=tuple(Dimension(minimum=low, maximum=high) for low, high in sizes))


def picture(name: str, width: int, height: int, image: Image | None = None) -> Input:
    """A picture input [1, height, width, 3]."""
    sizes = [Dimension(minimum=size, maximum=size) for size in (1, height, width, 3)]
    return Input(name=name, dtype="float32", shape=tuple(sizes), image=image or Image(width=width, height=height))


def plan(
    model: Choice,
    inputs: tuple[Input, ...],
    *,
    recipe: Choice = FP32,
    delegates: tuple[str, ...] = ("xnnpack",),
    data: tuple[Data, ...] = (),
    task: str = "tensor",
    labels: tuple[str, ...] = (),
    release: bool = True,
) -> Plan:
    return Plan(
        name="tiny",
        version="1.0.0",
        description="",
        manifest="tiny.yaml",
        manifest_sha256="0" * 64,
        folder=".",
        target=TARGET,
        model=model,
        inputs=inputs,
        task=Choice(name=task),
        labels=labels,
        data=data,
        recipe=recipe,
        delegates=tuple(Choice(name=name) for name in delegates),
        threads=2,
        budgets=(),
        files=FILES,
        allow_code=True,
        release=release,
        notes=(),
        lowering_key="0" * 64,
    )


def project(folder: Path) -> Project:
    return Project(root=folder.resolve(), folder=folder.resolve())
