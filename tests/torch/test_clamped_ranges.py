"""A ReLU6's range is observed behind it, not before: all 256 steps lie where values can be."""

import pytest
import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e, prepare_qat_pt2e

from edgec.artifacts.scheme import Scheme
from edgec.delegates import portable, xnnpack

ROUND = torch.ops.quantized_decomposed.quantize_per_tensor.default


class Functional(nn.Module):
    def forward(self, x):
        return nn.functional.relu6(x)


CLAMPS = {
    "ReLU6": (nn.ReLU6, 0.0, 6.0),
    "in place": (lambda: nn.ReLU6(inplace=True), 0.0, 6.0),
    "functional": (Functional, 0.0, 6.0),
    "Hardtanh": (lambda: nn.Hardtanh(-1.0, 2.0), -1.0, 2.0),
}


def network(clamp):
    """[1, 3, 16, 16]: wide on both sides of the clamp, in a convolution, a depthwise one and a linear layer."""
    torch.manual_seed(0)
    layers = (
        nn.Sequential(nn.Conv2d(3, 8, 3), clamp()),
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), clamp()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8), clamp()),
    )
    for layer in layers:
        for module in layer:
            if hasattr(module, "weight"):
                nn.init.normal_(module.weight, std=1.0)
    return nn.Sequential(*layers, nn.Linear(8, 4)).eval()


def quantized(model, x, quantizer):
    exported = torch.export.export(model, (x,))
    prepared = prepare_pt2e(exported.module(check_guards=False), quantizer)
    prepared(x)
    return torch.export.export(convert_pt2e(prepared), (x,))


def plain():
    return XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))


def roundings_of_clamps(program):
    """For each clamp, what rounds its input, or None, and what rounds its result: (scale, zero point)."""
    found = []
    for node in program.graph.nodes:
        if "hardtanh" in str(node.target) or "relu6" in str(node.target):
            before, (after,) = node.args[0], node.users
            assert after.target is ROUND
            given = before.args[1:3] if "dequantize" in str(before.target) else None
            found.append((given, after.args[1:3]))
    return found


def test_upstream_takes_the_range_before_it():
    upstream = roundings_of_clamps(quantized(network(nn.ReLU6), torch.randn(1, 3, 16, 16), plain()))
    assert None not in [given for given, _ in upstream], "it knows the pattern: the way around it can go"
    assert all((-128 - point) * scale < -1.0 for _, (scale, point) in upstream)


@pytest.mark.parametrize("clamp", ["ReLU6", *(pytest.param(name, marks=pytest.mark.slow) for name in list(CLAMPS)[1:])])
def test_all_steps_lie_inside_the_clamp(clamp):
    kind, least, most = CLAMPS[clamp]
    x = torch.randn(1, 3, 16, 16)
    ours = roundings_of_clamps(quantized(network(kind), x, xnnpack.quantizer(Scheme(), {})))
    assert [given for given, _ in ours] == [None] * 3
    for _, (scale, point) in ours:
        assert (-128 - point) * scale >= least - scale
        assert (127 - point) * scale <= most + scale


@pytest.mark.parametrize("clamp", ["in place", pytest.param("Hardtanh", marks=pytest.mark.slow)])
def test_the_artifact_computes_what_the_graph_does_and_nearer_to_float(clamp):
    kind, _, _ = CLAMPS[clamp]
    model, x = network(kind), torch.randn(1, 3, 16, 16)

    def noise(quantizer):
        program = quantized(model, x, quantizer)
        edge = to_edge_transform_and_lower(program, partitioner=xnnpack.partitioners("int8", {}))
        left = [node.target for node in edge.exported_program().graph.nodes if "aten" in str(node.target)]
        assert not left
        data = bytes(edge.to_executorch().buffer)  # read where it lies: it must outlive the method
        (answer,) = Runtime.get().load_program(data).load_method("forward").execute([x])
        with torch.no_grad():
            assert torch.allclose(answer, program.module()(x), atol=0.05 * float(answer.abs().max()))
            return float(((answer - model(x)) ** 2).mean())

    assert noise(xnnpack.quantizer(Scheme(), {})) < noise(plain())


def test_values_that_something_else_reads_keep_their_range():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x):
            made = self.conv(x)
            return nn.functional.relu6(made) + made

    torch.manual_seed(0)
    x = torch.randn(1, 3, 16, 16)
    program = quantized(Both().eval(), x, xnnpack.quantizer(Scheme(), {}))
    ((given, _),) = roundings_of_clamps(program)
    assert given is not None


def test_a_clamp_that_is_left_in_float_leaves_the_range_where_it_was():
    left = Scheme(quantized=lambda node: "hardtanh" not in str(node.target))
    x = torch.randn(1, 3, 16, 16)
    before = roundings_of_clamps(quantized(network(nn.ReLU6), x, xnnpack.quantizer(left, {})))
    assert None not in [given for given, _ in before]


@pytest.mark.slow  # one look at batch norms takes XNNPACK's quantizer a minute
def test_batch_norm_in_training():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 4, 3)).train()
    x = 3 * torch.randn(4, 3, 16, 16)
    exported = torch.export.export(model, (x,))
    prepared = prepare_qat_pt2e(exported.module(check_guards=False), xnnpack.quantizer(Scheme(training=True), {}))
    prepared(x)
    ((given, (_, point)),) = roundings_of_clamps(torch.export.export(convert_pt2e(prepared), (x,)))
    assert given is None
    assert point == -128


@pytest.mark.slow
def test_portable_kernels_round_once():
    model, x = network(nn.ReLU6), torch.randn(1, 3, 16, 16)
    assert [given for given, _ in roundings_of_clamps(quantized(model, x, portable.quantizer(Scheme(), {})))] == [None] * 3
