"""int8-dynamic where XNNPACK goes wrong by itself: two convolutions on one tensor, and inputs that were permuted or viewed."""

import hashlib

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgec.artifacts.material import Material
from edgec.artifacts.scheme import Scheme
from edgec.delegates import xnnpack
from edgec.diagnostics import Failure
from edgec.recipes import int8_dynamic
from edgec.runtime.session import Session
from edgec.upstream.dynamic_layouts import ranges_of_own_input


class Fire(nn.Module):
    """Two convolutions read what one ReLU gives."""

    def __init__(self):
        super().__init__()
        self.squeeze, self.one, self.three = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1), nn.Conv2d(4, 8, 3, padding=1)

    def forward(self, x):
        x = self.squeeze(x).relu()
        return torch.cat([self.one(x).relu(), self.three(x).relu()], 1)


class Picture(nn.Module):
    """[1, 16, 16, 3] becomes planes, is scaled and shifted, and convolved twice."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.full((1, 3, 1, 1), 1 / 58.0))
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))

    def forward(self, x):
        return self.body(x.permute(0, 3, 1, 2).contiguous() * self.scale - 2.0)


class Shuffle(nn.Module):
    """A convolution reads channels that were shuffled: [1, 8, 8, 8]."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.first(x).view(1, 2, 4, 8, 8).transpose(1, 2).contiguous().view(1, 8, 8, 8)
        return self.second(x)


class Unit(Shuffle):
    """Half of the shuffled channels are convolved, as in ShuffleNetV2: the whole is one delegate."""

    def __init__(self):
        super().__init__()
        self.second = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.first(x).view(1, 2, 4, 8, 8).transpose(1, 2).contiguous().view(1, 8, 8, 8)
        return torch.cat([x[:, :4], self.second(x[:, 4:])], 1)


def seeded(kind):
    torch.manual_seed(0)
    return kind().eval()


CASES = {
    "branches": (Fire, torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))),
    "shuffle": (Shuffle, torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))),
    "unit": (Unit, torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))),
    "picture": (Picture, 255 * torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0))),
}


def naive(program, x):
    """Quantize every convolution as the plain ExecuTorch script does."""
    quantizer = xnnpack.quantizer(Scheme(dynamic=True), {})
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
    prepared(x)
    return torch.export.export(convert_pt2e(prepared), (x,))


def ours(program, x, model):
    fields = dict.fromkeys(Material.__dataclass_fields__)
    material = Material(**{**fields, "model": model, "example": (x,), "dynamic": None, "inputs": ()})
    return int8_dynamic.quantize(program, material, xnnpack, {})


def error(quantized, x, expected, folder):
    """How far the artifact is off, as a share of the largest value; it runs in a process of its own, which may die."""
    edge = to_edge_transform_and_lower(quantized, partitioner=xnnpack.partitioners("int8", {}))
    data = bytes(edge.to_executorch().buffer)
    (folder / "model.pte").write_bytes(data)
    with Session(folder) as session:
        try:
            session.load(folder / "model.pte", hashlib.sha256(data).hexdigest(), False)
            found = torch.from_numpy(session.run((x.numpy(),))[0])
        except Failure:
            return float("inf")  # the artifact does not run at all
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("case", CASES)
def test_the_recipe_is_right_where_plain_dynamic_quantization_is_not(case, tmp_path):
    """Two readers of one tensor are the recipe's doing; what was permuted or viewed is lowering's."""
    kind, x = CASES[case]
    model = seeded(kind)
    with torch.no_grad():
        expected = model(x)
    program = torch.export.export(model, (x,))
    graph = ours(program, x, model)
    convolutions = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    assert sum("choose_qparams" in str(node.target) for node in graph.graph.nodes) == convolutions
    trap = error(naive(program, x) if case == "branches" else graph, x, expected, tmp_path)
    assert trap > 0.3, "the trap is gone: the way around it can go too"
    with ranges_of_own_input():
        assert error(graph, x, expected, tmp_path) < 0.05
