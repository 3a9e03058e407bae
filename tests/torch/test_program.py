"""What is inside a .pte: read from programs that edgec did not build, and from damaged ones."""

from __future__ import annotations

import pytest

from edgec.diagnostics import Failure
from edgec.runtime.program import read_program

torch = pytest.importorskip("torch")


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(8, 4)

    def forward(self, x):
        return torch.erf(self.line(x))


def lowered(partitioners, dynamic=None) -> bytes:
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(Net().eval(), (torch.randn(2, 8),), dynamic_shapes=dynamic)
    return to_edge_transform_and_lower(program, partitioner=partitioners).to_executorch().buffer


@pytest.fixture(scope="module")
def delegated() -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return lowered([XnnpackPartitioner()])


def test_a_delegated_program(delegated):
    facts = read_program(delegated)
    assert (facts.method, facts.methods) == ("forward", ("forward",))
    assert facts.backends == ("XnnpackBackend",)
    assert dict(facts.delegates) == {"XnnpackBackend": 1}
    assert dict(facts.kernels) == {"aten::erf.out": 1}
    assert [(item.name, item.dtype, item.shape) for item in facts.inputs] == [("input", "float32", (2, 8))]
    assert facts.outputs[0].shape == (2, 4)
    assert facts.memory.delegate_blobs > 0
    assert facts.memory.weights >= 4 * (8 * 4 + 4)
    assert sum(facts.memory.arenas) >= 4 * (2 * 8 + 2 * 4)


def test_a_portable_program_with_a_dynamic_batch():
    facts = read_program(lowered([], dynamic=({0: torch.export.Dim("batch", min=1, max=16)},)))
    assert facts.backends == ()
    assert set(facts.kernels) >= {"aten::erf.out", "aten::addmm.out"}
    assert facts.inputs[0].shape == (16, 8)
    assert facts.dynamic == ("input", "output")
    assert facts.memory.constants >= 4 * (8 * 4 + 4)
    assert facts.memory.weights == facts.memory.delegate_blobs == 0


def test_a_damaged_program_is_refused_or_read_but_never_a_crash(delegated):
    refused = 0
    for length in range(0, len(delegated), max(1, len(delegated) // 60)):
        try:
            read_program(delegated[:length])
        except Failure as failure:
            assert failure.exit_code == 7
            refused += 1
    assert refused > 20


def test_a_program_of_zeros_behind_its_start_is_refused(delegated):
    with pytest.raises(Failure) as caught:
        read_program(delegated[:8] + bytes(5000))
    assert caught.value.diagnostics[0].code == "program-unreadable"
