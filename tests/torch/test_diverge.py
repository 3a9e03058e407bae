"""When parity breaks, the first submodule that diverges is named with the user's line, and nothing hides the failure."""

import functools
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from plans import plan, project, tensor

from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Choice, Data
from edgec.diagnostics import Diagnostic, Failure
from edgec.lowering import lowering
from edgec.narrowing import _alone
from edgec.stages.diverge import Search, narrowed
from edgec.stages.load import deployed

NETS = '''
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.second = nn.Linear(16, 16)

    def forward(self, x):
        return self.second(torch.relu(self.first(x))) + x


class Overflows(nn.Module):
    """Beyond half's largest number on the way, back in range at the end."""

    def forward(self, x):
        wide = x * 3e4
        return (wide * wide) / 1e9


class Twice(nn.Module):
    """One module called two times, and its second call is out of range."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.scale = Scale()

    def forward(self, x):
        return self.scale(self.scale(x)) / 1e8


class Fed(nn.Module):
    """What the code in front of the layer makes is out of range already."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.tail = nn.Linear(16, 4)
        with torch.no_grad():
            self.tail.weight.mul_(1e-6)

    def forward(self, x):
        return self.tail(x * 1e6)


class Scale(nn.Module):
    def forward(self, x):
        return x * 1e4


class Half(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), Block(), Overflows(), nn.Linear(16, 4))

    def forward(self, x):
        return self.layers(x)


class Blocks(nn.Sequential):
    def __init__(self):
        torch.manual_seed(1)
        super().__init__(nn.Linear(16, 16), Block(), nn.Linear(16, 4))


class Inside(nn.Module):
    """The overflow is in the model's own code, between two sound layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.before = nn.Linear(16, 16)
        self.after = nn.Linear(16, 4)

    def forward(self, x):
        y = self.before(x)
        y = torch.sqrt((y * 1e3) * (y * 1e3) + 1.0) / 1e3
        return self.after(y)


class Crushed(nn.Module):
    """A weight that int8 cannot hold per channel: one huge entry beside those that decide."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
        self.parts = nn.ModuleList([Kept(), Crushing()])
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        x = self.stem(x)
        for part in self.parts:
            x = part(x)
        return self.head(x)


class Kept(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 32)

    def forward(self, x):
        return torch.relu(self.linear(x)) + x


class Crushing(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 32)
        with torch.no_grad():
            self.linear.weight[:, 0] = 500.0
            self.linear.weight[:, 1] = -500.0

    def forward(self, x):
        same = x.clone()
        same[:, 1] = same[:, 0]
        return self.linear(same)


class Logs(nn.Module):
    def forward(self, x, *, base=None, scale=1.0):
        return {"log": torch.log(x if base is None else base) * scale, "count": 1}


class Poisoned(nn.Module):
    """NaN by itself, out of a part that takes keywords and gives a mapping."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.ModuleDict({"a": nn.Linear(16, 16), "b": Logs()})
        self.head = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(16, 4))

    def forward(self, x):
        x = self.body["a"](x)
        y = self.body["b"](x, base=x, scale=2.0)["log"]
        return self.head(y)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diverging")
    (folder / "nets.py").write_text(NETS)
    values = np.random.default_rng(0).standard_normal((48, 16)).astype(np.float32)
    np.savez(folder / "vectors.npz", x=values)
    return folder


def refused(name, recipe, place, folder):
    made = plan(
        Choice(name="python", options={"entry": f"nets:{name}", "arguments": {}}), (tensor("x", 1, 16),),
        recipe=Choice(name=recipe),
        data=tuple(Data(role=role, format="npz", options={"path": "vectors.npz"}) for role in ("calibration", "evaluation")),
    )  # fmt: skip
    made = replace(made, files={"nets.py": hashlib.sha256(NETS.encode()).hexdigest()})
    with pytest.raises(Failure) as caught:
        lowering(made, project(place), folder, lambda line: None)
    return caught.value.diagnostics[0]


def line_of(text):
    return next(number for number, line in enumerate(NETS.splitlines(), 1) if text in line)


def test_the_layer_that_int8_kills_is_named_inside_nested_modules(place, tmp_path):
    found = refused("Crushed", "int8", place, tmp_path)
    line = line_of("return self.linear(same)")
    assert found.code in ("constant-output", "parity-broken")
    assert found.hint.startswith(f"first diverges in parts.1.linear (Linear, nets.py:{line}): SQNR ")
    ((_, where),) = found.related
    assert (where.file, where.line) == ("nets.py", line)


def test_an_artifact_that_is_wrong_where_the_graph_was_right(place, tmp_path, monkeypatch):
    """The step to the artifact: the layer that the delegate gets wrong, whatever is right around it."""
    import torch

    def wrong(plan, program, narrow=True):
        sound = torch.export.export(program.module(), program.example_inputs[0])
        for name, value in sound.state_dict.items():
            if name.endswith("1.second.weight"):
                sound.state_dict[name] = torch.nn.Parameter(-value)
        return lower_as_is(plan, sound, narrow)

    from edgec.stages.lower import lower as lower_as_is

    monkeypatch.setattr("edgec.lowering.lower", wrong)
    monkeypatch.setattr("edgec.narrowing.lower", wrong)
    found = refused("Blocks", "fp32", place, tmp_path)
    assert found.code == "parity-broken"
    assert "to pte" in found.message
    assert found.hint.startswith(f"first diverges in 1.second (Linear, nets.py:{line_of('return self.second(')}): SQNR -")


# From here on half precision in torch stands for compiling: what is found is the same, in milliseconds.


@pytest.fixture(scope="module")
def nets(place):
    import importlib.util

    spec = importlib.util.spec_from_file_location("diverging_nets", place / "nets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def halved(module, rows):
    import copy

    import torch

    with torch.no_grad():
        small = copy.deepcopy(module).half()
        return [tuple(output.float().numpy() for output in small(*[value.half() for value in row])) for row in rows]


def eager(module, rows):
    import torch

    with torch.no_grad():
        return [tuple(output.numpy() for output in module(*row)) for row in rows]


LIMIT = Limit(sqnr=30.0, relative_error=0.05, agreement=0.9)
BROKEN = Failure(Diagnostic(code="parity-broken", message="broken", hint="the old hint"))


def narrow(bare, place, alone=halved, limit=LIMIT, largest=65504.0, **search):
    import torch

    torch.manual_seed(0)
    rows = [(torch.randn(1, 16),) for _ in range(4)]
    inputs = [tensor("x", 1, 16)]
    top = deployed(bare.eval(), inputs)
    failure = narrowed(BROKEN, top, rows, Search(alone=alone, limit=limit, root=place.resolve(), largest=largest, **search))
    (found,) = failure.diagnostics
    assert (found.code, found.message) == ("parity-broken", "broken")
    assert found.hint.splitlines()[-1] == "the old hint"
    return found


def test_a_submodule_beyond_halfs_range_is_named_with_its_forward(nets, place):
    found = narrow(nets.Half(), place)
    line = line_of("class Overflows") + 3
    assert found.hint.startswith(f"first diverges in layers.3 (Overflows, nets.py:{line}): NaN or infinity from finite inputs")
    ((_, where),) = found.related
    assert (where.file, where.line) == ("nets.py", line)


def test_code_straight_in_forward_is_told_from_the_layers_around_it(nets, place):
    found = narrow(nets.Inside(), place)
    line = line_of("class Inside") + 9
    assert found.hint.startswith(f"first diverges in the model (Inside, nets.py:{line}), in its own forward code")


def test_a_part_fed_beyond_the_range_is_not_to_blame(nets, place):
    line = line_of("class Fed") + 10
    assert NETS.splitlines()[line - 1].strip() == "def forward(self, x):"
    assert narrow(nets.Fed(), place).hint.startswith(f"first diverges in the model (Fed, nets.py:{line}), in its own forward")
    assert narrow(nets.Fed(), place, largest=float("inf")).hint.startswith("first diverges in tail (Linear, nets.py:")


def test_a_module_called_twice_is_judged_call_by_call(nets, place):
    found = narrow(nets.Twice(), place)
    assert found.hint.startswith(f"first diverges in scale (Scale, nets.py:{line_of('class Scale') + 1})")


def test_nan_of_the_model_itself_is_followed_without_compiling(nets, place):
    found = narrow(nets.Poisoned(), place, alone=eager)
    assert found.hint.startswith("first diverges in body.b (Logs, nets.py:")
    assert "NaN" in found.hint


def test_a_job_follows_nan_of_the_model_itself(nets, place):
    found = narrow(nets.Poisoned(), place, alone=functools.partial(_alone, None, "eager"))
    assert found.hint.startswith("first diverges in body.b (Logs, nets.py:")


def test_a_gap_that_is_spread_evenly_is_pinned_on_no_layer(nets, place):
    import torch

    def noisy(module, rows):
        return [tuple(output + 0.02 * abs(output).max() * torch.randn_like(torch.as_tensor(output)).numpy() for output in row)
                for row in eager(module, rows)]  # fmt: skip

    found = narrow(nets.Blocks(), place, alone=noisy, limit=Limit(sqnr=25.0, relative_error=0.5, agreement=0.0))
    assert "in its own forward code, or in how its parts add up" in found.hint or "no submodule is beyond" in found.hint


def test_time_that_is_over_stops_it_and_says_so(nets, place):
    found = narrow(nets.Half(), place, seconds=-1.0)
    assert "stopped after" in found.hint


def test_what_goes_wrong_here_never_hides_the_failure(nets, place):
    def broken(module, rows):
        raise RuntimeError("no such pass\nand more")

    found = narrow(nets.Half(), place, alone=broken)
    assert found.hint.splitlines()[0] == "it could not be narrowed down to a submodule: no such pass"


def test_parts_that_do_not_compile_by_themselves_are_named_and_passed_over(nets, place):
    def picky(module, rows):
        if any(type(inner).__name__ == "Block" for inner in module.modules()) and not hasattr(module, "model"):
            raise Failure(Diagnostic(code="export-failed", message="no"))
        return halved(module, rows)

    found = narrow(nets.Half(), place, alone=picky)
    assert "layers.3" in found.hint
