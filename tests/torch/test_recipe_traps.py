"""What ExecuTorch 1.5.1 does when asked for more than its kernels hold; a failure here says that upstream has mended it."""

import copy

import numpy as np
import pytest
import torch

from edgec.artifacts.limit import Limit
from edgec.diagnostics import Failure
from edgec.stages.compare import compare

IDS = [str(index) for index in range(16)]


class Convolution(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.layer(x.view(1, 3, 4, 4)).flatten(1)


class Softmax(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(48, 8)

    def forward(self, x):
        return torch.softmax(self.layer(x), 1)


class InBfloat16(torch.nn.Module):
    """A whole network in bfloat16, as fp16 does it."""

    def __init__(self, model):
        super().__init__()
        self.model = copy.deepcopy(model).bfloat16()

    def forward(self, x):
        return self.model(x.to(torch.bfloat16)).float()


def lowered(model, example, **options):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    model.eval()
    program = torch.export.export(model, (example,))
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner(**options)])
    return bytes(edge.to_executorch().buffer)


def answers(data, rows):
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(data)
    method = program.load_method("forward")
    return [(method.execute([row])[0].numpy().copy(),) for row in rows]


@pytest.mark.parametrize("model", [Convolution(), Softmax()], ids=["convolution", "softmax"])
def test_what_lowers_in_bfloat16_and_does_not_load(model):
    """Hence the recipe bf16 converts linear layers and what stands between two of them, and nothing else."""
    data = lowered(InBfloat16(model), torch.zeros(1, 48), enable_bf16=True)
    with pytest.raises(RuntimeError, match="Failed to load method forward"):
        answers(data, [torch.zeros(1, 48)])


def test_bfloat16_without_the_flag_stays_outside_the_delegate():
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    from edgec.delegates.xnnpack import partitioners

    data = lowered(InBfloat16(torch.nn.Linear(48, 8)), torch.zeros(1, 48))
    assert b"XnnpackBackend" not in data
    (found,) = partitioners("bf16", {})
    assert isinstance(found, XnnpackPartitioner)
    assert b"XnnpackBackend" in lowered(InBfloat16(torch.nn.Linear(48, 8)), torch.zeros(1, 48), enable_bf16=True)


@pytest.fixture(scope="module")
def weight_only():
    """The answers of a perceptron and of its artifact with weights quantized by torchao and float activations."""
    from torchao.quantization import quantize_
    from torchao.quantization.granularity import PerAxis
    from torchao.quantization.quant_api import IntxWeightOnlyConfig

    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 8)).eval()
    rows = [torch.randn(1, 64) for _ in IDS]
    quantized = copy.deepcopy(model)
    quantize_(quantized, IntxWeightOnlyConfig(weight_dtype=torch.int8, granularity=PerAxis(0)))
    with torch.no_grad():
        points = {name: [(item(row).numpy(),) for row in rows] for name, item in (("eager", model), ("quantized", quantized))}
        points["pte"] = answers(lowered(quantized, rows[0]), rows)
    return points


def test_weight_only_artifacts_answer_garbage_that_points_the_right_way(weight_only):
    """torchao's graph is right, the artifact wrong by a factor; cosine and arg-max hardly tell."""
    eager, graph, artifact = (np.concatenate([row[0] for row in weight_only[name]]) for name in weight_only)
    assert abs(graph - eager).max() < 0.02
    assert abs(artifact - eager).max() > 1000 * abs(eager).max()
    cosine = float((artifact * eager).sum() / np.linalg.norm(artifact) / np.linalg.norm(eager))
    assert cosine > 0.95
    assert (artifact.argmax(1) == eager.argmax(1)).mean() >= 0.8


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Limit(sqnr=0.0, relative_error=2.0, agreement=0.0), "SQNR"),
        (Limit(sqnr=-1e9, relative_error=2.0, agreement=0.0), "of the largest value"),
        (Limit(sqnr=-1e9, relative_error=1e9, agreement=0.8), None),
    ],
    ids=["by the widest limits", "by relative error alone", "not by decisions"],
)
def test_the_comparison_catches_weight_only_garbage(gate, says, weight_only):
    limits = dict.fromkeys(weight_only, Limit(sqnr=0.0, relative_error=2.0, agreement=0.0)) | {"pte": gate}
    if says is None:
        compare(weight_only, IDS, limits, decides=True)
        return
    with pytest.raises(Failure) as caught:
        compare(weight_only, IDS, limits, decides=True)
    finding = caught.value.diagnostics[0]
    assert finding.code == "parity-broken" and says in finding.message
    assert "from quantized to pte" in finding.message


class Normalized(torch.nn.Module):
    """Cosine similarities with four directions, as Swin v2's attention has them."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(48, 4, bias=False)

    def forward(self, x):
        normalize = torch.nn.functional.normalize
        return (normalize(x, dim=-1) @ normalize(self.layer.weight, dim=-1).T,)


def test_a_row_of_zeros_is_no_number_in_float16_until_its_floor_is_kept():
    from edgec.stages.quantize import halved, keep_floors

    torch.manual_seed(0)
    model, rows = Normalized(), torch.randn(3, 48)
    rows[1] = 0
    program = torch.export.export(halved(model), (rows,))
    assert program.module()(rows)[0].isnan().any(dim=1).tolist() == [False, True, False], "torch floors norms in float16 now"
    keep_floors(program)
    (found,) = program.module()(rows)
    assert torch.allclose(found, model(rows)[0], atol=2e-3) and not found[1].any()


def test_floors_that_float16_holds_and_those_of_float32_are_left():
    from edgec.stages.quantize import keep_floors

    class Floors(torch.nn.Module):
        def forward(self, x):
            half = x.half()
            return x.clamp_min(1e-12), *(half.clamp_min(least) for least in (0.5, 1e-5, 6e-8, 0.0)), half.clamp(1e-9, 2.0)

    program = torch.export.export(Floors(), (torch.zeros(2),))
    keep_floors(program)
    assert [item.max().item() for item in program.module()(torch.zeros(2))] == [
        pytest.approx(1e-12), 0.5, pytest.approx(1e-5, rel=0.01), 2.0**-24, 0.0, 2.0**-14
    ]  # fmt: skip


class Padded(torch.nn.Module):
    """Windows of padded rows, as in Swin: a sum, padding, views, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.before, self.after = torch.nn.Linear(16, 16), torch.nn.Linear(16, 4)

    def forward(self, x):
        windows = torch.nn.functional.pad(self.before(x) + x, (0, 0, 0, 6)).reshape(1, 2, 4, 16)
        return self.after(windows.permute(0, 2, 1, 3).reshape(1, 8, 16))


def quantized(model, rows):
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e import allow_exported_model_train_eval
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    graph = torch.export.export(model.eval(), (rows[0],)).module()
    prepared = prepare_pt2e(graph, XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True)))
    for row in rows:
        prepared(row)
    converted = convert_pt2e(prepared)
    allow_exported_model_train_eval(converted)
    return converted


def test_padding_with_a_scale_of_its_own_does_not_load_and_with_its_inputs_does():
    from edgec.upstream.shared_pads import pads_that_share

    torch.manual_seed(0)
    model, rows = Padded(), list(torch.randn(16, 1, 2, 16))
    with pytest.raises(RuntimeError, match="Failed to load method forward"):
        answers(lowered(quantized(model, rows), rows[0]), rows[:1])
    with pads_that_share():
        graph = quantized(model, rows)
    for row, (found,) in zip(rows, answers(lowered(graph, rows[0]), rows), strict=True):
        assert np.allclose(found, model(row).detach().numpy(), atol=0.05)
