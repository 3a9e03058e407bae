"""What is left out of a quantization or a lowering to save time changes no byte, and is still needed."""

import contextlib

import pytest

from edgec.stages.lower import uncollected
from edgec.upstream import retracing
from edgec.upstream.decompositions import decomposed_once
from edgec.upstream.delegate_answers import delegates_answered_once
from edgec.upstream.node_source import shared_provenance
from edgec.upstream.pattern_passes import patterns_when_needed
from edgec.upstream.quantizer_patterns import quantizer_patterns_when_needed
from edgec.upstream.recompilation import compiled_late
from edgec.upstream.retracing import retraced_when_changed
from edgec.upstream.unchanged import picture, same
from edgec.upstream.weight_observers import weights_observed_once

QUANTIZING = (quantizer_patterns_when_needed, weights_observed_once)
LOWERING = (
    uncollected, shared_provenance, compiled_late, patterns_when_needed, decomposed_once, retraced_when_changed,
    delegates_answered_once,
)  # fmt: skip
NETS = ("folded", "transposed", "one-dimensional", "joined", "attention")


def net(name):
    import torch
    from torch import nn

    class Joined(nn.Module):
        """Concatenation, a residual, padding, PReLU, hard swish, a constant branch."""

        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)
            self.last, self.slope = nn.Linear(8, 4), nn.PReLU(8)
            self.register_buffer("shift", torch.ones(1, 8, 1, 1))

        def forward(self, x):
            both = torch.cat((nn.functional.hardswish(self.one(x)), self.two(x)), dim=1)
            both = self.slope(both + self.shift.sqrt() + both)
            return self.last(nn.functional.pad(both, (1, 1, 1, 1)).mean((2, 3)).clone())

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.attend = nn.LayerNorm(64), nn.MultiheadAttention(64, 4, batch_first=True)

        def forward(self, x):
            rows = self.norm(x.reshape(1, -1, 64))
            return self.attend(rows, rows, rows, need_weights=False)[0].softmax(-1)

    def block(convolution, normal):
        return nn.Sequential(convolution, normal, nn.ReLU6())

    torch.manual_seed(3)
    plain = block(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8)), block(nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8))
    found = {
        "folded": nn.Sequential(*plain, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
        "transposed": nn.Sequential(*plain, nn.ConvTranspose2d(8, 3, 2, stride=2), nn.BatchNorm2d(3)),
        "one-dimensional": nn.Sequential(nn.Flatten(2), block(nn.Conv1d(3, 4, 5), nn.BatchNorm1d(4))),
        "joined": Joined(),
        "attention": Attention(),
    }[name]
    return found.eval(), (torch.randn(1, 3, 16, 16),)


@contextlib.contextmanager
def inside(*arounds):
    with contextlib.ExitStack() as stack:
        for around in arounds:
            stack.enter_context(around())
        yield


def quantized(name, recipe):
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    model, example = net(name)
    program = torch.export.export(model, example)
    if recipe == "fp32":
        return program
    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=recipe == "int8-dynamic")
    prepared = prepare_pt2e(program.module(check_guards=False), XNNPACKQuantizer().set_global(config))
    for seed in range(4):
        prepared(torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * (seed + 1))
    return torch.export.export(convert_pt2e(prepared), example)


def lowered(program):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    return to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer


@pytest.mark.parametrize(
    ("name", "recipe"), [*((name, recipe) for name in NETS for recipe in ("fp32", "int8")), ("attention", "int8-dynamic")]
)
def test_everything_together_gives_the_bytes_of_nothing_at_all(name, recipe):
    import executorch.kernels.quantized  # noqa: F401

    plain = lowered(quantized(name, recipe))
    with inside(*QUANTIZING):
        program = quantized(name, recipe)
    with inside(*LOWERING):
        assert lowered(program) == plain


def calls(monkeypatch, owner, name):
    counted, genuine = [], getattr(owner, name)

    def counting(*arguments, **keywords):
        counted.append(arguments)
        return genuine(*arguments, **keywords)

    monkeypatch.setattr(owner, name, counting)
    return counted


def test_a_graph_is_traced_less_often_than_there_are_passes(monkeypatch):
    from executorch.exir.pass_base import _ExportPassBase

    traced = calls(monkeypatch, _ExportPassBase, "call_submodule")
    lowered(quantized("folded", "fp32"))
    before = len(traced)
    traced.clear()
    with inside(retraced_when_changed):
        lowered(quantized("folded", "fp32"))
    assert len(traced) < before - 6


def test_a_graph_is_checked_again_only_when_it_is_another(monkeypatch):
    from torch._export.verifier import Verifier

    checked = calls(monkeypatch, Verifier, "_check_graph_module")
    lowered(quantized("folded", "fp32"))
    before = len(checked)
    checked.clear()
    with inside(retraced_when_changed):
        lowered(quantized("folded", "fp32"))
    assert 0 < len(checked) < before - 20


def test_a_pass_that_takes_part_in_tracing_is_never_left_out():
    from executorch.backends.xnnpack._passes import DimOrderOpsRevertPass, FuseActivationPass
    from executorch.exir.pass_base import ExportPass

    assert retracing._plain(FuseActivationPass, ExportPass)
    assert not retracing._plain(DimOrderOpsRevertPass, ExportPass)
    assert not retracing._plain(object, ExportPass)


@pytest.mark.parametrize(("name", "traces"), [("folded", 2), ("attention", 2)])
def test_what_is_decomposed_is_not_decomposed_again(monkeypatch, name, traces):
    """When upstream comes to as few by itself, upstream/decompositions.py can go."""
    from torch.export import exported_program

    program = quantized(name, "fp32")
    decomposed = calls(monkeypatch, exported_program, "_decompose_exported_program")
    lowered(program)
    assert len(decomposed) > traces
    decomposed.clear()
    with inside(decomposed_once):
        lowered(program)
    assert len(decomposed) == traces


def test_an_operator_of_the_table_is_still_decomposed():
    import torch

    with inside(decomposed_once):
        program = quantized("folded", "fp32").run_decompositions({})
        again = program.run_decompositions({})
        assert again is program
        table = torch.export.default_decompositions()
        assert "conv2d" in program.graph_module.code
        assert "conv2d" not in program.run_decompositions(table).graph_module.code


def test_a_graph_that_was_edited_is_another():
    import torch

    module = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh()))
    before = picture(module)
    assert same(before, picture(module))
    last = list(module.graph.nodes)[-2]
    with module.graph.inserting_before(last):
        last.replace_input_with(last.args[0], module.graph.call_function(torch.neg, last.args))
    assert not same(before, picture(module))
    before = picture(module)
    last.meta["val"] = torch.ones(())
    assert not same(before, picture(module))


def test_the_quantizer_still_builds_its_patterns_for_a_batch_norm(monkeypatch):
    """When the first count is zero, upstream/quantizer_patterns.py can go."""
    import torch
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer_utils as utils

    built = calls(monkeypatch, utils, "_get_aten_graph_module_for_pattern")
    quantized("joined", "int8")
    assert built
    built.clear()
    with inside(*QUANTIZING):
        quantized("joined", "int8")
        assert not built
        model, example = net("folded")
        training = torch.export.export(model.train(), example).module()
        utils._do_annotate_conv_bn(training, None, None, has_relu=False)
    assert len(built) == 2  # one and two dimensions, none of them transposed


def test_a_weight_is_observed_again_when_it_was_changed(monkeypatch):
    import torch
    from torchao.quantization.pt2e.observer import PerChannelMinMaxObserver

    weight, observer = torch.nn.Parameter(torch.ones(2, 3)), PerChannelMinMaxObserver()
    looks = calls(monkeypatch, PerChannelMinMaxObserver, "_forward")
    with inside(weights_observed_once):
        observer(weight)
        observer(weight)
        assert len(looks) == 1
        with torch.no_grad():
            weight.mul_(3)
        observer(weight)
        observer(torch.full((2, 3), 5.0))
        observer(torch.full((2, 3), 6.0))
    assert len(looks) == 4
    assert observer.max_val.tolist() == [6, 6] and observer.min_val.tolist() == [1, 1]
    assert "once" not in PerChannelMinMaxObserver.forward.__qualname__


@pytest.fixture
def asked(monkeypatch):
    """How often a delegate was run on fake tensors; ``asked(answer)`` makes it answer so."""
    from executorch.exir.delegate import executorch_call_delegate
    from torch._higher_order_ops.utils import registered_hop_fake_fns

    found, genuine = [], registered_hop_fake_fns[executorch_call_delegate]

    def install(answer=genuine):
        def counting(*arguments):
            found.append(arguments)
            return answer(*arguments)

        monkeypatch.setitem(registered_hop_fake_fns, executorch_call_delegate, counting)
        return lambda *arguments: registered_hop_fake_fns[executorch_call_delegate](*arguments)

    install.found = found
    return install


def test_a_delegate_is_run_on_fake_tensors_once(asked):
    """When the first count is that of the delegates, upstream/delegate_answers.py can go."""
    asked()
    lowered(quantized("folded", "fp32"))
    assert len(asked.found) > 1
    asked.found.clear()
    with inside(delegates_answered_once):
        lowered(quantized("folded", "fp32"))
    assert len(asked.found) == 1


class Partition:
    """What a delegate is called with; it can be referred to weakly."""


def test_a_delegate_is_run_again_on_another_layout_and_told_apart_from_another(asked):
    import torch

    call, one, two = asked(lambda lowered, x: [x * 2, (x > 0).sum(0)]), Partition(), Partition()
    with inside(delegates_answered_once):
        for given in (torch.ones(2, 3), torch.ones(3, 2), torch.ones(3, 2).t(), torch.ones(2, 3, dtype=torch.int8)):
            for lowered in (one, two):
                for expected in (call(lowered, given), call(lowered, given)):
                    assert [item.dtype for item in expected] == [given.dtype, torch.int64]
                    assert [item.stride() for item in expected] == [(given * 2).stride(), (1,)]
        assert len(asked.found) == 8


def test_what_a_layout_does_not_tell_is_asked_each_time(asked):
    import torch

    x = torch.ones(2, 3)
    cases = [
        (lambda lowered, x: [x], x),  # the input itself
        (lambda lowered, x: [x.view(6)], x),
        (lambda lowered, x: (lambda y: [y, y[0]])(x * 2), x),  # two outputs in one memory
        (lambda lowered, x: [x * 2, 3], x),
        (lambda lowered, x: [x * 2], x.to_sparse()),
        (lambda lowered, x: [x * 2], x[1:]),
    ]
    for answer, given in cases:
        call, one = asked(answer), Partition()
        asked.found.clear()
        with inside(delegates_answered_once):
            call(one, given)
            call(one, given)
        assert len(asked.found) == 2


def test_a_shape_that_is_a_symbol_is_asked_each_time(asked):
    import torch
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

    call, one = asked(lambda lowered, x: [x * 2]), Partition()
    mode = FakeTensorMode(shape_env=ShapeEnv())
    given = mode.from_tensor(
        torch.ones(5, 3), symbolic_context=StatelessSymbolicContext([DimDynamic.DYNAMIC, DimDynamic.STATIC])
    )
    with inside(delegates_answered_once), mode:
        assert call(one, given)[0].shape == call(one, given)[0].shape
    assert len(asked.found) == 2
