"""An artifact that does not run: the operator with which it stops is named, with submodule, line and the runtime's words."""

import contextlib
import functools
import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from plans import plan, project, tensor

from edgec.artifacts.manifest import Choice, Data
from edgec.diagnostics import Diagnostic, Failure
from edgec.lowering import lowering
from edgec.stages.reach import reach, reached

NETS = '''
import torch
from torch import nn


class Unit(nn.Module):
    """Half of the shuffled channels are convolved."""

    def __init__(self):
        super().__init__()
        self.own = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = x.view(1, 2, 4, 8, 8).transpose(1, 2).contiguous().view(1, 8, 8, 8)
        kept, passed = x[:, :4], x[:, 4:]
        return torch.cat([kept, self.own(passed)], 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.unit, self.last = nn.Conv2d(8, 8, 1), Unit(), nn.Conv2d(8, 2, 8)

    def forward(self, x):
        return self.last(torch.tanh(self.unit(self.first(x)))).flatten(1)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reaching")
    (folder / "nets.py").write_text(NETS)
    np.savez(folder / "x.npz", x=np.random.default_rng(0).standard_normal((8, 8, 8, 8)).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def net(place):
    import importlib.util

    spec = importlib.util.spec_from_file_location("reaching_nets", place / "nets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Net().eval()


EXAMPLE = (torch.zeros(1, 8, 8, 8),)
BROKEN = Failure(Diagnostic(code="program-not-run", message="it does not run", hint="the runtime's words"))


def line_of(text):
    return next(number for number, line in enumerate(NETS.splitlines(), 1) if text in line)


def without(word):
    return lambda program: not any(word in str(node.target) for node in program.graph.nodes)


def test_an_artifact_that_the_delegate_does_not_run_names_operator_submodule_and_line(place, tmp_path, monkeypatch):
    """XNNPACK's own fault with a dynamic convolution of shuffled channels, which lowering otherwise goes around."""
    monkeypatch.setattr("edgec.stages.lower.ranges_of_own_input", contextlib.nullcontext)
    monkeypatch.setattr("edgec.narrowing.reached", functools.partial(reached, seconds=1e6))  # on a busy machine, too
    made = plan(
        Choice(name="python", options={"entry": "nets:Net", "arguments": {}}), (tensor("x", 1, 8, 8, 8),),
        recipe=Choice(name="int8-dynamic"), data=(Data(role="evaluation", format="npz", options={"path": "x.npz"}),),
    )  # fmt: skip
    made = replace(made, files={"nets.py": hashlib.sha256(NETS.encode()).hexdigest()})
    with pytest.raises(Failure) as caught:
        lowering(made, project(place), tmp_path, lambda line: None)
    found = caught.value.diagnostics[0]
    assert found.code == "program-not-run"
    operator, way, said = found.hint.splitlines()
    assert "and no longer with aten.conv2d" in operator
    assert f"in unit.own, nets.py:{line_of('self.own(passed)')})" in operator
    assert way.startswith("keep unit.own in float (recipe `mixed`)")
    assert said.startswith("the runtime says: ")
    assert "CALL_DELEGATE execute failed at instruction 0" in said
    assert [(where.file, where.line) for _, where in found.related] == [("nets.py", line_of("self.own(passed)"))]


@pytest.mark.parametrize("word", ["tanh", "cat", "flatten"])
def test_the_first_operator_is_found_wherever_it_stands(net, word):
    found = reach(torch.export.export(net, EXAMPLE), EXAMPLE, without(word))
    assert found.exact
    assert word in str(found.fails.target)
    assert word not in str(found.runs.target)


def test_a_graph_that_does_not_run_from_its_first_operator_on(net, place):
    failure = reached(BROKEN, torch.export.export(net, EXAMPLE), EXAMPLE, lambda program: False, place.resolve())
    assert failure.diagnostics[0].hint.startswith("the artifact does not run from aten.conv2d (in first, nets.py:")


def test_what_is_cut_gives_all_that_later_operators_read(net):
    """Both halves of the channels go on from the cut: neither may be swept away as unused."""
    counts = []

    def runs(program):
        counts.append(len(program.graph_signature.user_outputs))
        return "slice" not in str([node.target for node in program.graph.nodes])

    reach(torch.export.export(net, EXAMPLE), EXAMPLE, runs)
    assert max(counts) == 2


def test_time_that_is_over_stops_it_and_says_so(net, place):
    program = torch.export.export(net, EXAMPLE)
    failure = reached(BROKEN, program, EXAMPLE, without("cat"), place.resolve(), seconds=-1.0)
    assert "time was over" in failure.diagnostics[0].hint


def test_what_goes_wrong_here_never_hides_the_failure(net, place):
    def broken(program):
        raise RuntimeError("no such pass\nand more")

    (found,) = reached(BROKEN, torch.export.export(net, EXAMPLE), EXAMPLE, broken, place.resolve()).diagnostics
    assert (found.code, found.message) == ("program-not-run", "it does not run")
    assert found.hint == "it could not be narrowed down to an operator: no such pass\nthe runtime's words"
