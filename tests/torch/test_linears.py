"""Linear layers as 1 x 1 convolutions for OpenVINO: the same answers, planes between layers, small layers left alone."""

import pytest
import torch
from torch import nn

from edgec.rewrites import linears
from edgec.rewrites.graph import duplicate

WIDE = 512
"""512 x 256 weights are the least that are replaced."""


class Block(nn.Module):
    """A transformer's two layers; what lies between them depends on ``how``."""

    def __init__(self, how="", bias=True):
        super().__init__()
        torch.manual_seed(0)
        self.how = how
        self.norm = nn.LayerNorm(256)
        self.up, self.down = nn.Linear(256, WIDE, bias=bias), nn.Linear(WIDE, 256, bias=bias)

    def forward(self, x):
        up = self.up(self.norm(x))
        if self.how == "changed":
            up.add_(1.0)
        y = nn.functional.dropout(nn.functional.gelu(up, approximate="tanh"), 0.1, self.training)
        if self.how == "in place":
            y = nn.functional.relu_(up) + y
        if self.how == "mixed rows":
            y = nn.functional.softmax(y, -1)
        down = self.down(y)
        return x + down + (y.mean() if self.how == "read twice" else 0.0)


def exported(model, *shape):
    torch.manual_seed(1)
    x = torch.randn(shape)
    return torch.export.export(model.eval(), (x,)), x


def permutes(program):
    return sum(node.target is torch.ops.aten.permute.default for node in program.graph.nodes)


@pytest.mark.parametrize("shape", [(1, 256), (1, 7, 256), (7, 1, 256), (2, 7, 256), (2, 3, 5, 256)], ids=str)
@pytest.mark.parametrize("bias", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["bias", "no-bias"])
def test_convolutions_give_the_same_answers(shape, bias):
    program, x = exported(Block(bias=bias), *shape)
    copy = duplicate(program)
    assert [tuple(place.args[1].meta["val"].shape) for place in linears.rewrite(copy)] == [(WIDE, 256, 1, 1), (256, WIDE, 1, 1)]
    copy.validate()
    expected, actual = (item.module(check_guards=False)(x) for item in (program, copy))
    assert expected.shape == actual.shape and torch.allclose(expected, actual, atol=1e-5) and expected.std() > 0
    assert permutes(copy) == 2, "between the two layers planes stay planes"
    assert len(program.graph_signature.parameters) == len(copy.graph_signature.parameters)
    assert linears.rewrite(copy) == [], "it fits where it has been applied"


@pytest.mark.parametrize("how", ["changed", "in place", "mixed rows", "read twice"])
def test_rows_are_made_again_where_more_than_each_value_alone_is_read_or_written(how):
    program, x = exported(Block(how), 1, 7, 256)
    copy = duplicate(program)
    assert len(linears.rewrite(copy)) == 2
    copy.validate()
    expected, actual = (item.module(check_guards=False)(x) for item in (program, copy))
    assert torch.allclose(expected, actual, atol=1e-5)
    assert permutes(copy) == 4


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(WIDE, WIDE)

    def forward(self, x):
        return self.layer(self.layer(x))


class Given(nn.Module):
    def forward(self, x):
        return nn.functional.linear(x, x.new_ones(WIDE, 1) * x[0])


class Biased(nn.Module):
    """A bias that a convolution does not take."""

    def __init__(self, *shape):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(WIDE, WIDE)), nn.Parameter(torch.randn(shape))

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


class BiasedByItself(Shared):
    def forward(self, x):
        rows = nn.functional.gelu(x)
        return nn.functional.linear(rows, self.layer.weight, rows)


class Single(nn.Module):
    """A weight of one axis: one output, which is no axis."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1 << 17))

    def forward(self, x):
        return nn.functional.linear(x, self.weight)


class Changing(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.randn(WIDE, WIDE))

    def forward(self, x):
        self.weight.add_(1.0)
        return nn.functional.linear(x, self.weight)


ALONE = {
    "small": (lambda: nn.Linear(256, WIDE - 1), (3, 256)),
    "shared": (Shared, (3, WIDE)),
    "computed": (Given, (3, WIDE)),
    "changing": (Changing, (3, WIDE)),
    "one bias for all": (lambda: Biased(1), (3, WIDE)),
    "a bias a row": (lambda: Biased(3, WIDE), (3, WIDE)),
    "a bias that is the row": (BiasedByItself, (WIDE,)),
    "a weight of one axis": (Single, (3, 1 << 17)),
    "no rows": (lambda: nn.Linear(WIDE, WIDE), (0, WIDE)),
}


@pytest.mark.parametrize("case", ALONE)
def test_what_gains_nothing_or_is_no_convolution_is_left_alone(case):
    build, shape = ALONE[case]
    program, _ = exported(build(), *shape)
    before = str(program.graph)
    assert linears.rewrite(program) == []
    assert str(program.graph) == before


def test_a_batch_of_any_size_is_left_alone():
    rows = torch.export.Dim("rows", min=2, max=9)
    program = torch.export.export(Block().eval(), (torch.randn(3, 256),), dynamic_shapes=({0: rows},))
    assert linears.rewrite(program) == []


def test_it_suits_ranges_observed_before_alone():
    assert linears.suits("int8", True)
    assert not linears.suits("int8", False) and not linears.suits("fp32", False)
