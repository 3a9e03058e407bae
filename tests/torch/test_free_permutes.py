"""Pixels that only a convolution reads stay where they are, in every recipe; what else reads planes gets them."""

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgec.artifacts.scheme import Scheme
from edgec.delegates import xnnpack
from edgec.upstream.dynamic_layouts import ranges_of_own_input
from edgec.upstream.free_permutes import pixels_left_in_place


class Convolved(nn.Module):
    """[batch, 12, 10, 3]: a normalised picture, convolved twice."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3))

    def forward(self, x):
        return self.body((x * 0.01 - 1.0).permute(0, 3, 1, 2).contiguous())


class Bare(Convolved):
    """The picture as it comes."""

    def forward(self, x):
        return self.body(x.permute(0, -1, -3, -2).contiguous())


class Pooled(Convolved):
    def forward(self, x):
        return self.body(nn.functional.max_pool2d(x.permute(0, 3, 1, 2).contiguous(), 2))


class Two(Convolved):
    """Two convolutions read the same planes."""

    def __init__(self):
        super().__init__()
        self.other = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        planes = (x * 0.01 - 1.0).permute(0, 3, 1, 2).contiguous()
        return self.body(planes) + self.other(planes)


class Scaled(Convolved):
    """Arithmetic on planes: broadcast over pixels it would take far longer."""

    def forward(self, x):
        return self.body(x.permute(0, 3, 1, 2).contiguous() * 0.01 - 1.0)


class Shown(Convolved):
    """Planes that go out as well."""

    def forward(self, x):
        planes = x.permute(0, 3, 1, 2).contiguous()
        return self.body(planes), planes


class Flat(Convolved):
    """A view reads the planes beside the convolution."""

    def forward(self, x):
        planes = (x * 0.01 - 1.0).permute(0, 3, 1, 2).contiguous()
        return self.body(planes).sum((2, 3)) + planes.reshape(-1, 360)[:, :4]


class Turned(Convolved):
    """Another order of axes."""

    def forward(self, x):
        return self.body(x.permute(0, 3, 2, 1).contiguous())


FREE, MOVED = (Convolved, Bare, Pooled, Two), (Scaled, Shown, Flat, Turned)
RECIPES = ("fp32", "fp16", "int8", "int8-dynamic")


def program(kind, recipe, batches=None):
    torch.manual_seed(0)
    model, x = kind().eval(), 255 * torch.rand(2 if batches else 1, 12, 10, 3)
    shapes = ({0: batches},) if batches else None
    if recipe == "fp16":
        model, x = model.half(), x.half()
    exported = torch.export.export(model, (x,), dynamic_shapes=shapes)
    if recipe in ("int8", "int8-dynamic"):
        scheme = Scheme(dynamic=recipe == "int8-dynamic")
        prepared = prepare_pt2e(exported.module(check_guards=False), xnnpack.quantizer(scheme, {}))
        prepared(x)
        exported = torch.export.export(convert_pt2e(prepared), (x,), dynamic_shapes=shapes)
    return exported, x


def lowered(exported):
    with ranges_of_own_input():
        edge = to_edge_transform_and_lower(exported, partitioner=xnnpack.partitioners("", {}))
    return bytes(edge.to_executorch().buffer)


def answers(data, x):
    return Runtime.get().load_program(data).load_method("forward").execute([x])


@pytest.fixture
def transposes(monkeypatch):
    """The orders of axes of the transposes that XNNPACK is given, delegate after delegate."""
    from executorch.backends.xnnpack import xnnpack_preprocess

    found = []
    genuine = xnnpack_preprocess.serialize_xnnpack_binary

    def serialized(graph, *rest, **named):
        nodes = [node.xnode_union for node in graph.xnodes]
        found.extend(list(node.perm) for node in nodes if type(node).__name__ == "XNNStaticTranspose")
        return genuine(graph, *rest, **named)

    monkeypatch.setattr(xnnpack_preprocess, "serialize_xnnpack_binary", serialized)
    return found


@pytest.mark.parametrize(
    ("kind", "recipe"),
    # Plain dynamic quantization takes one range for two convolutions, and ends in three delegates; edgec's recipe does not.
    [
        pytest.param(kind, recipe, marks=() if kind is Convolved or (kind, recipe) == (Bare, "int8") else pytest.mark.slow)
        for kind in FREE
        for recipe in RECIPES
        if (kind, recipe) != (Two, "int8-dynamic")
    ],
)
def test_planes_for_a_convolution_are_not_made(kind, recipe, transposes):
    exported, x = program(kind, recipe)
    before = lowered(exported)
    assert transposes.count([0, 2, 3, 1]) >= 1, "upstream cancels the two: the way around it can go"
    transposes.clear()
    with pixels_left_in_place():
        after = lowered(exported)
    assert [0, 1, 2, 3] not in transposes, "a copy of the pixels"
    assert [0, 2, 3, 1] not in transposes
    for expected, actual in zip(answers(before, x), answers(after, x), strict=True):
        assert torch.equal(expected, actual)
        assert expected.std() > 0


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
@pytest.mark.parametrize("kind", MOVED)
def test_planes_that_something_else_reads_are_made_as_before(kind, recipe):
    exported, _ = program(kind, recipe)
    before = lowered(exported)
    with pixels_left_in_place():
        assert lowered(exported) == before


@pytest.mark.parametrize("recipe", ["fp32", pytest.param("int8", marks=pytest.mark.slow)])
def test_any_batch_may_come(recipe):
    exported, _ = program(Convolved, recipe, batches=torch.export.Dim("batch", min=2, max=5))
    before = lowered(exported)
    with pixels_left_in_place():
        after = lowered(exported)
    for count in (2, 3, 5):
        x = 255 * torch.rand(count, 12, 10, 3)
        assert torch.equal(answers(before, x)[0], answers(after, x)[0])


def test_upstream_is_as_it_was_afterwards():
    exported, _ = program(Convolved, "int8")
    before = lowered(exported)
    with pytest.raises(KeyboardInterrupt), pixels_left_in_place():
        raise KeyboardInterrupt
    assert lowered(exported) == before
