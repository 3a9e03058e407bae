"""float16 artifacts: filters stored narrow, conversions inside the delegate, layer norm right, and a way back."""

import inspect

import numpy as np
import pytest
from plans import plan, tensor
from test_lowering import data, lowered, net, pictures, refusal

from edgec.artifacts.manifest import Choice
from edgec.diagnostics import Diagnostic, Failure
from edgec.upstream.fp16_conversions import conversions_delegated
from edgec.upstream.fp16_convolutions import narrow_filters


def convolutions(half):
    """Every kind of convolution that XNNPACK has, with and without bias, and half precision only inside."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.full, self.depthwise = torch.nn.Conv2d(3, 16, 3), torch.nn.Conv2d(16, 16, 3, groups=16)
            self.point, self.up = torch.nn.Conv2d(16, 32, 1, bias=False), torch.nn.ConvTranspose2d(32, 8, 2, stride=2)
            self.grouped, self.many = torch.nn.Conv2d(8, 16, 3, groups=2), torch.nn.Conv2d(16, 32, 3, groups=16)
            self.line = torch.nn.Conv1d(32, 4, 3)
            torch.nn.init.normal_(self.full.bias)

        def forward(self, x):
            x = self.up(self.point(torch.relu(self.depthwise(torch.relu(self.full(x.to(self.full.weight.dtype)))))))
            return self.line(self.many(self.grouped(x)).flatten(2)).float()

    model, given = Net().eval(), torch.randn(1, 3, 16, 16)
    expected = model(given).detach()
    return torch.export.export(model.half() if half else model, (given,)), given, expected


def bytes_of(program):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    return bytes(to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer)


def answer(folder, data, given):
    import hashlib

    from edgec.runtime.session import Session

    (folder / "model.pte").write_bytes(data)
    with Session(folder) as session:
        session.load(folder / "model.pte", hashlib.sha256(data).hexdigest(), False)
        return session.run([given.numpy()])[0]


def test_filters_are_stored_narrow_and_the_answers_are_the_same(tmp_path):
    program, given, expected = convolutions(half=True)
    with conversions_delegated():
        plain = bytes_of(program)
        with narrow_filters():
            narrow = bytes_of(program)
    filters = sum(tensor.numel() for name, tensor in program.state_dict.items() if "weight" in name and "up" not in name)
    # Padding to XNNPACK's alignment takes some of it back.
    assert len(plain) - len(narrow) > 1.5 * filters
    found = [answer(tmp_path, item, given) for item in (plain, narrow)]
    np.testing.assert_allclose(found[0], found[1], atol=2e-3 * float(abs(expected).max()))
    np.testing.assert_allclose(found[1], expected.numpy(), atol=1e-2 * float(abs(expected).max()))


def test_conversions_stay_inside_the_delegate_in_either_layout(tmp_path):
    from edgec.runtime.program import read_program

    program, given, expected = convolutions(half=True)
    raw = read_program(bytes_of(program))
    assert raw.kernels["dim_order_ops::_to_dim_order_copy.out"] == 2
    with conversions_delegated():
        found = bytes_of(program)
    assert not read_program(found).kernels and read_program(found).delegates == {"XnnpackBackend": 1}
    np.testing.assert_allclose(answer(tmp_path, found, given), expected.numpy(), atol=1e-2 * float(abs(expected).max()))


@pytest.mark.parametrize("around", [narrow_filters, conversions_delegated], ids=lambda around: around.__name__)
def test_float32_programs_are_the_same_bytes_inside_and_nothing_stays_changed_outside(around):
    from executorch.backends.xnnpack.operators.node_visitor import _node_visitor_dict
    from executorch.backends.xnnpack.partition.config.generic_node_configs import ToDimOrderCopyConfig
    from executorch.exir.passes.memory_format_ops_pass import DimOrderOpsRevertPass

    program, _, _ = convolutions(half=False)
    genuine = [dict(_node_visitor_dict), ToDimOrderCopyConfig.check_constraints, DimOrderOpsRevertPass.call_operator]
    plain = bytes_of(program)
    with around():
        assert bytes_of(program) == plain
    with pytest.raises(ZeroDivisionError), around():
        raise ZeroDivisionError
    assert genuine == [dict(_node_visitor_dict), ToDimOrderCopyConfig.check_constraints, DimOrderOpsRevertPass.call_operator]


def test_filters_are_still_widened_upstream():
    """When this fails, upstream/fp16_convolutions.py can go."""
    from executorch.backends.xnnpack.operators import op_conv2d

    source = inspect.getsource(op_conv2d)
    assert "force_fp32=True" in source[: source.index('kwargs["filter_id"]')]


def test_conversions_are_still_refused_upstream():
    """When this fails, upstream/fp16_conversions.py can go."""
    from executorch.backends.xnnpack.partition.config import generic_node_configs

    source = inspect.getsource(generic_node_configs.ToDimOrderCopyConfig)
    assert "if input_dtype != output_dtype" in source and "return False" in source


def test_transposed_filters_cannot_be_narrow_yet(tmp_path, monkeypatch):
    """When this fails, narrow_filters can take them too."""
    from edgec.upstream import fp16_convolutions

    program, given, _ = convolutions(half=True)
    monkeypatch.setattr(fp16_convolutions, "_narrow", lambda tensor: tensor.meta["val"].dim() > 2)
    with narrow_filters(), conversions_delegated():
        found = bytes_of(program)
    with pytest.raises(Failure) as caught:
        answer(tmp_path, found, given)
    assert caught.value.diagnostics[0].code == "program-not-run"


def test_a_job_needs_no_kernel_library(tiny_project, tmp_path):
    found = lowered(pictures("fp16"), tiny_project, tmp_path)
    assert found.kernels == () and found.delegation == 1.0
    assert found.boundaries[-1].sqnr > 45
    assert "float16" not in found.resolved


def test_what_does_not_load_is_lowered_without_it(tiny_project, tmp_path, monkeypatch):
    monkeypatch.setattr("edgec.stages.lower.narrow_filters", _garbled)
    _lowered_without(lowered(pictures("fp16"), tiny_project, tmp_path))


def test_what_does_not_compare_is_lowered_without_it(tiny_project, tmp_path, monkeypatch):
    from edgec import lowering

    genuine, seen = lowering._judged, []

    def judged(*given):
        seen.append(given)
        if len(seen) == 1:
            raise Failure(Diagnostic(code="parity-broken", message="too far"))
        return genuine(*given)

    monkeypatch.setattr(lowering, "_judged", judged)
    found = lowered(pictures("fp16"), tiny_project, tmp_path)
    _lowered_without(found)
    assert found.resolved["float16"].endswith("too far")


def _lowered_without(found):
    assert found.kernels == ("dim_order_ops::_to_dim_order_copy.out",)
    assert "conversions outside the delegate" in found.resolved["float16"]
    assert found.boundaries[-1].sqnr > 45


def _garbled():
    """Filters that say float64, which no runtime takes."""
    import contextlib

    from executorch.backends.xnnpack.operators.node_visitor import _node_visitor_dict
    from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import XNNDatatype

    @contextlib.contextmanager
    def around():
        genuine = _node_visitor_dict["aten.convolution.default"]

        class Garbled(genuine):
            def get_serialized_dtype(self, quant_params, node, force_fp32=False):
                return XNNDatatype.xnn_datatype_qint32 if force_fp32 else super().get_serialized_dtype(quant_params, node)

        _node_visitor_dict["aten.convolution.default"] = Garbled
        try:
            yield
        finally:
            _node_visitor_dict["aten.convolution.default"] = genuine

    return around()


def test_half_precision_layer_norm_is_a_trap_raw_and_right_when_rewritten(tiny_project, tmp_path, monkeypatch):
    """ExecuTorch 1.5.1's portable native_layer_norm is wrong in fp16 and says nothing: the comparison does."""
    made = plan(net("Normed"), (tensor("x", 1, 16),), recipe=Choice(name="fp16"), data=data("vectors.npz", "evaluation"))
    found = lowered(made, tiny_project, tmp_path / "right")
    assert [item.name for item in found.rewrites] == ["layer-norm"]
    assert found.kernels == () and found.boundaries[-1].sqnr > 45
    monkeypatch.setattr("edgec.stages.rewrite.REWRITES", {})
    finding = refusal(made, tiny_project, tmp_path / "raw")
    assert finding.code in ("parity-broken", "constant-output", "non-finite")
    assert "pte" in finding.message or "the artifact" in finding.message


def test_what_a_model_makes_in_float32_itself_becomes_float16(tiny_project, tmp_path):
    found = lowered(plan(net("Makes"), (tensor("x", 1, 5, 16),), recipe=Choice(name="fp16")), tiny_project, tmp_path)
    assert min(item.sqnr for item in found.boundaries) > 40


def test_what_torch_promotes_stays_float32():
    """A norm that is computed in float32 on purpose, as many transformers have it."""
    import torch

    from edgec.stages.quantize import halved

    class Norm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(8))
            self.last = torch.nn.Linear(8, 2)

        def forward(self, x):
            wide = x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
            return (self.last(self.weight * wide),)

    program = torch.export.export(halved(Norm()), (torch.ones(1, 8),))
    computed = [node for node in program.graph.nodes if node.op == "call_function" and node.meta["val"] is not None]
    kinds = {node.target.__name__: node.meta["val"].dtype for node in computed}
    assert (kinds["mul.Tensor"], kinds["linear.default"]) == (torch.float32, torch.float16)
