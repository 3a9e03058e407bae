"""First convolutions over blocks of pixels: the same answers, everything moved in int8, other convolutions left alone."""

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgec.artifacts.scheme import Scheme
from edgec.delegates import xnnpack
from edgec.rewrites import pixels, stems
from edgec.rewrites.graph import duplicate
from edgec.runtime.program import read_program
from edgec.upstream.free_permutes import pixels_left_in_place
from edgec.upstream.quantized_moves import pixels_padded
from edgec.upstream.shared_pads import pads_that_share


class Stem(nn.Module):
    """Planes, or pixels as a camera gives them, to eight channels and four scores."""

    def __init__(self, convolution, of_pixels=False, scaled=False):
        super().__init__()
        self.convolution, self.of_pixels, self.scaled = convolution, of_pixels, scaled
        self.register_buffer("gain", torch.tensor([0.5, 0.7, 0.9]).reshape(1, 3, 1, 1))
        self.head = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        if self.of_pixels:
            x = x.permute(0, 3, 1, 2).contiguous()
        return self.head(self.convolution(x * self.gain + 0.1 if self.scaled else x))


def exported(convolution, size=(32, 32), batches=None, **how):
    torch.manual_seed(0)
    model = Stem(convolution(), **how).eval()
    channels = model.convolution.in_channels
    x = torch.randn(2, *size, channels) if model.of_pixels else torch.randn(2, channels, *size)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batches},) if batches else None)
    if model.of_pixels:
        pixels.rewrite(program)
    return program, x


def conv(kernel, stride=2, padding=0, channels=3, **more):
    return lambda: nn.Conv2d(channels, 8, kernel, stride, padding, **more)


FITS = {
    "3x3": (conv(3, padding=1), (32, 32), (8, 6, 3, 2)),
    "3x3-grey": (conv(3, padding=1, channels=1), (32, 32), (8, 2, 3, 2)),
    "3x3-odd-height": (conv(3, padding=1, bias=False), (31, 32), (8, 6, 3, 2)),
    "3x3-without-padding": (conv(3), (31, 30), (8, 6, 3, 2)),
    "7x7": (conv(7, padding=3, bias=False), (32, 48), (8, 12, 4, 4)),
    "7x7-without-padding": (conv(7), (34, 32), (8, 12, 4, 4)),
    "6x6": (conv(6, padding=2), (32, 32), (8, 12, 3, 3)),
    "3x7": (conv((3, 7), padding=(1, 3)), (32, 32), (8, 6, 3, 4)),
    "patches": (conv(8, stride=8), (32, 64), (8, 192, 1, 1)),
    "patches-of-three-rows": (conv(3, stride=3), (33, 33), (8, 9, 3, 1)),
}
ALONE = {
    "odd-width": (conv(3, padding=1), (32, 31)),
    "odd-height": (conv(7, padding=3), (31, 32)),
    "stride-1": (conv(3, stride=1, padding=1), (32, 32)),
    "strides-that-differ": (conv(3, stride=(1, 2), padding=1), (32, 32)),
    "stride-4-overlapping": (conv(11, stride=4, padding=2), (32, 32)),
    "one-pixel-of-four": (conv(1), (32, 32)),
    "dilated": (conv(3, padding=2, dilation=2), (32, 32)),
    "groups": (conv(3, padding=1, channels=2, groups=2), (32, 32)),
    "four-channels": (conv(3, padding=1, channels=4), (32, 32)),
    "zeros-on-both-sides": (conv(4, padding=1), (32, 32)),
    "a-circle": (conv(3, padding=1, padding_mode="circular"), (32, 32)),
}


@pytest.mark.parametrize("of_pixels", [False, True], ids=["planes", "pixels"])
@pytest.mark.parametrize("case", FITS)
def test_blocks_give_the_same_answers(case, of_pixels):
    convolution, size, kernel = FITS[case]
    program, x = exported(convolution, size, of_pixels=of_pixels)
    copy = duplicate(program)
    (place,) = stems.rewrite(copy)
    copy.validate()
    assert tuple(place.args[1].meta["val"].shape) == kernel
    expected, actual = (item.module(check_guards=False)(x) for item in (program, copy))
    assert torch.allclose(expected, actual, atol=1e-6) and expected.std() > 0
    assert stems.rewrite(copy) == [], "it fits where it has been applied"


@pytest.mark.parametrize("case", ALONE)
def test_what_gains_nothing_or_does_not_divide_is_left_alone(case):
    convolution, size = ALONE[case]
    program, _ = exported(convolution, size)
    before = str(program.graph)
    assert stems.rewrite(program) == []
    assert str(program.graph) == before


def test_a_convolution_of_what_was_computed_is_left_alone():
    """What comes out of an operator lies as pixels already, in int8."""
    layers = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 8, 3, stride=2))
    program = torch.export.export(layers, (torch.randn(1, 3, 34, 34),))
    assert stems.rewrite(program) == []


@pytest.mark.parametrize(("reason", "places"), [("pixels change", 1), ("planes change", 0), ("the weight changes", 0)])
def test_what_changes_between_is_read_when_the_convolution_reads_it(reason, places):
    class Changing(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("weight", torch.randn(4, 3, 3, 3))

        def forward(self, x):
            copy = x.clone()
            planes = copy.permute(0, 3, 1, 2).contiguous()
            {"pixels change": copy, "planes change": planes, "the weight changes": self.weight}[reason].add_(1.0)
            return nn.functional.conv2d(planes, self.weight, None, 2, 1)

    x = torch.randn(1, 16, 16, 3)
    program = torch.export.export(Changing().eval(), (x,))
    copy = duplicate(program)
    assert len(stems.rewrite(copy)) == places
    if places:
        expected, actual = (item.module(check_guards=False)(x) for item in (program, copy))
        assert torch.allclose(expected, actual, atol=1e-5)


def test_a_learnt_weight_goes_on_being_a_parameter():
    program, _ = exported(FITS["3x3"][0])
    (place,) = stems.rewrite(program)
    assert place.args[1].name in program.graph_signature.inputs_to_parameters
    assert len(program.graph_signature.parameters) == 6


def test_it_suits_ranges_observed_before_alone():
    assert stems.suits("int8", True)
    assert not stems.suits("int8", False) and not stems.suits("fp32", False)


def quantized(program, x, quantizer=None, batches=None):
    with pads_that_share():
        prepared = prepare_pt2e(program.module(check_guards=False), quantizer or xnnpack.quantizer(Scheme(), {}))
        prepared(x)
        converted = convert_pt2e(prepared)
    return torch.export.export(converted, (x,), dynamic_shapes=({0: batches},) if batches else None)


@pytest.fixture
def operators(monkeypatch):
    """What XNNPACK is given: for each operator its name and the type and shape of what it reads, delegate after delegate."""
    from executorch.backends.xnnpack import xnnpack_preprocess

    found = []
    genuine = xnnpack_preprocess.serialize_xnnpack_binary

    def serialized(graph, *rest, **named):
        values = {}
        for item in graph.xvalues:
            tensor = getattr(item.xvalue_union, "tensor_value", item.xvalue_union)
            values[tensor.id_out] = tensor
        for node in graph.xnodes:
            union = node.xnode_union
            read = values[union.input1_id if hasattr(union, "input1_id") else union.input_id]
            found.append((type(union).__name__.removeprefix("XNN"), read.datatype.name.removeprefix("xnn_datatype_")))
        return genuine(graph, *rest, **named)

    monkeypatch.setattr(xnnpack_preprocess, "serialize_xnnpack_binary", serialized)
    return found


def lowered(program, padded=pixels_padded):
    with pixels_left_in_place(), padded():
        edge = to_edge_transform_and_lower(program, partitioner=xnnpack.partitioners("", {}))
    return bytes(edge.to_executorch().buffer)


def answers(data, x):
    return Runtime.get().load_program(data).load_method("forward").execute([x])[0]


@pytest.mark.parametrize(
    ("case", "of_pixels"),
    [
        ("3x3", True),
        ("7x7", False),
        *(pytest.param(*item, marks=pytest.mark.slow) for item in (("3x3", False), ("7x7", True), ("patches", False))),
    ],
)
def test_quantized_blocks_move_in_int8_and_are_padded_by_the_convolution(case, of_pixels, operators):
    convolution, size, _ = FITS[case]
    program, x = exported(convolution, size, of_pixels=of_pixels)
    assert len(stems.rewrite(program)) == 1
    graph = quantized(program, x)
    data = lowered(graph)
    facts = read_program(data)
    assert not facts.kernels and facts.delegates == {"XnnpackBackend": 1}
    first = operators.index(("Conv2d", "qint8"))
    assert operators[0] == ("Convert", "fp32")
    assert all(kind == "qint8" and name != "Convert" for name, kind in operators[1:first])
    assert (operators[first - 1][0] == "StaticConstantPad") is (case != "patches")
    expected, actual = graph.module(check_guards=False)(x), answers(data, x)
    assert float((expected - actual).abs().max()) <= 0.02 * float(expected.abs().max())


def test_blocks_of_a_scaled_picture_take_its_scale(operators):
    program, x = exported(FITS["3x3"][0], of_pixels=True, scaled=True)
    assert len(stems.rewrite(program)) == 1
    graph = quantized(program, x)
    data = lowered(graph)
    first = operators.index(("Conv2d", "qint8"))
    assert [name for name, _ in operators[:first]].count("Convert") == 1
    assert float((graph.module(check_guards=False)(x) - answers(data, x)).abs().max()) <= 0.02


class Reshaped(nn.Module):
    """[batch, 256] as planes for a convolution, and as it is for something else that is wider."""

    def __init__(self, wide=False, symbolic=False):
        super().__init__()
        self.convolution, self.wide, self.symbolic = nn.Conv2d(1, 4, 3), wide, symbolic

    def forward(self, x):
        planes = x.reshape(x.size(0) if self.symbolic else -1, 1, 16, 16)
        found = self.convolution(planes).mean((2, 3))
        return torch.cat([x, 300.0 * x], 1).sum(1, keepdim=True) + found if self.wide else found


def moved_in_int8(graph):
    """Whether what the convolution reads was quantized before it was moved."""
    (convolution,) = [node for node in graph.graph.nodes if node.target is torch.ops.aten.conv2d.default]
    move = convolution.args[0].args[0].args[0]
    assert move.target is torch.ops.aten.reshape.default
    return "dequantize" in str(move.args[0].target)


@pytest.mark.parametrize(
    ("network", "asked", "moved"),
    [
        (Reshaped(), None, True),
        (Reshaped(wide=True), None, False),
        (Reshaped(symbolic=True), None, False),
        (Reshaped(), lambda node: node.target is not torch.ops.aten.reshape.default, False),
    ],
    ids=["alone", "something wider reads it", "a size that is not known", "a move that is left out"],
)
def test_an_input_is_quantized_before_moves_where_that_costs_nothing(network, asked, moved):
    batches, x = torch.export.Dim("batch", min=2, max=5) if network.symbolic else None, torch.randn(2, 256)
    program = torch.export.export(network.eval(), (x,), dynamic_shapes=({0: batches},) if batches else None)
    graph = quantized(program, x, xnnpack.quantizer(Scheme(quantized=asked), {}), batches)
    assert moved_in_int8(graph) is moved


def test_a_kernel_that_two_convolutions_share_stays():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 8, 3, 2, 1)

        def forward(self, x):
            return self.convolution(x), self.convolution(-x)

    program = torch.export.export(Shared().eval(), (torch.randn(1, 3, 32, 32),))
    assert stems.rewrite(program) == []


def test_any_batch_may_come():
    batches = torch.export.Dim("batch", min=2, max=5)
    program, x = exported(FITS["7x7"][0], FITS["7x7"][1], batches=batches)
    assert len(stems.rewrite(program)) == 1
    graph = quantized(program, x, batches=batches)
    data = lowered(graph)
    for count in (2, 3, 5):
        given = torch.randn(count, *x.shape[1:])
        expected = graph.module(check_guards=False)(given)
        assert float((expected - answers(data, given)).abs().max()) <= 0.02 * float(expected.abs().max())


def test_upstream_moves_floats_without_the_way_around_it(operators):
    from contextlib import nullcontext

    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    program, x = exported(FITS["3x3"][0])
    stems.rewrite(program)
    plain = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    lowered(quantized(duplicate(program), x, plain))
    assert ("StaticTranspose", "fp32") in operators, "upstream quantizes before moves: the way around it can go"
    graph, counts = quantized(program, x), []
    for padded in (pixels_padded, nullcontext):
        operators.clear()
        lowered(graph, padded)
        counts.append(operators[: operators.index(("Conv2d", "qint8"))].count(("StaticTranspose", "qint8")))
    assert counts[0] < counts[1], "upstream pads pixels for convolutions: the way around it can go"


def test_upstream_is_as_it_was_afterwards():
    program, x = exported(FITS["3x3"][0])
    stems.rewrite(program)
    graph = quantized(program, x)
    before = to_edge_transform_and_lower(graph, partitioner=xnnpack.partitioners("", {})).to_executorch().buffer
    with pytest.raises(KeyboardInterrupt), pixels_padded():
        raise KeyboardInterrupt
    after = to_edge_transform_and_lower(graph, partitioner=xnnpack.partitioners("", {})).to_executorch().buffer
    assert bytes(before) == bytes(after)
