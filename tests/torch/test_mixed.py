"""Submodules kept in float inside an int8 graph: by name, by type, by sensitivity; and the trap that names alone are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from materials import prepared, samples
from plans import picture, plan, project, tensor
from torch import nn

from edgec.artifacts.manifest import Budget, Choice, Data, Image
from edgec.diagnostics import Failure
from edgec.lowering import lowering
from edgec.recipes.mixed import quantize
from edgec.recipes.submodules import stack
from edgec.registry import plugin
from edgec.runtime.inference import unguarded

LABELS = tuple(str(index) for index in range(10))
PICTURE = picture("image", 16, 16, Image(width=16, height=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)))
DATA = tuple(Data(role=role, format="npz", options={"path": "pictures.npz"}) for role in ("calibration", "evaluation"))
XNNPACK = plugin("delegates", "xnnpack")
VECTOR = (tensor("x", 1, 16),)


class Three(nn.Module):
    """[N, 16] to 4 scores; the middle layer has a large weight that nothing reaches and that makes its scale coarse."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Sequential(nn.Linear(16, 16), nn.ReLU())
        self.middle = nn.Linear(16, 16)
        self.last = nn.ModuleDict({"head": nn.Linear(16, 4)})
        with torch.no_grad():
            self.first[0].weight[0], self.first[0].bias[0] = 0.0, 0.0
            self.middle.weight[0, 0] = 60.0

    def forward(self, x):
        return self.last["head"](torch.relu(self.middle(self.first(x))))


def three(standing=None, **options):
    vectors = samples(np.random.default_rng(0).standard_normal((96, 16)).astype("float32"))
    program, material, said, noted = prepared(Three(), VECTOR, calibration=vectors, standing=standing)
    return (lambda: quantize(program, material, XNNPACK, options)), said, noted


def floats(program):
    """Names of the linear layers whose weights the graph takes in float."""
    linear = torch.ops.aten.linear.default
    nodes = [node for node in program.module(check_guards=False).graph.nodes if node.target is linear]
    return sorted(stack(node)[-1][0] for node in nodes if node.args[1].op == "get_attr")


def mixed(budgets=(), **options):
    made = plan(
        Choice(name="python", options={"entry": "nets:Tiny"}),
        (PICTURE,),
        recipe=Choice(name="mixed", options=options),
        data=DATA,
        task="classification",
        labels=LABELS,
    )
    return replace(made, budgets=tuple(budgets))


def lowered(made, where, folder):
    folder.mkdir(exist_ok=True)
    return lowering(made, project(where), folder, lambda line: None)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ({"modules": ["middle"]}, ["middle"]),
        ({"modules": ["first"]}, ["first.0"]),
        pytest.param({"modules": ["last.*", "first.0"]}, ["first.0", "last.head"], marks=pytest.mark.slow),
        pytest.param({"types": ["Sequential"]}, ["first.0"], marks=pytest.mark.slow),
    ],
)
def test_what_is_named_stays_in_float_with_all_inside_it(keep, expected):
    run, _, noted = three(keep=keep)
    assert floats(run()) == expected
    assert noted["kept"].endswith(f"{3 - len(expected)} submodules with weights are in int8")


@pytest.mark.parametrize("spelling", ["Linear", "nn.Linear", "torch.nn.Linear", "torch.nn.modules.linear.Linear"])
def test_keeping_everything_brings_nothing(spelling):
    run, _, _ = three(keep={"types": [spelling]})
    with pytest.raises(Failure) as caught:
        run()
    assert caught.value.diagnostics[0].code == "recipe-brings-nothing"


def test_a_name_without_a_submodule_is_refused_with_the_nearest():
    run, _, _ = three(keep={"modules": ["midle", "first.*"], "types": ["Conv2d"]})
    with pytest.raises(Failure) as caught:
        run()
    assert [item.code for item in caught.value.diagnostics] == ["module-unknown"] * 2
    assert caught.value.diagnostics[0].hint == "did you mean 'middle'?"
    assert "nn.Linear" in caught.value.diagnostics[1].hint
    assert caught.value.exit_code == 4


def test_sensitivity_keeps_the_layer_that_the_rounding_hurts():
    reference = Three().eval()
    vectors = torch.from_numpy(np.random.default_rng(5).standard_normal((64, 16)).astype("float32"))

    def standing(program):
        with torch.no_grad():
            (found,), wanted = unguarded(program)(vectors), reference(vectors)
        return "met" if float((found - wanted).square().mean() / wanted.var()) < 0.01 else "missed"

    run, said, noted = three(standing, sensitivity=True, per_channel=False)
    assert floats(run()) == ["middle"]
    assert noted["kept"] == "middle; 2 submodules with weights are in int8"
    assert noted["graphs tried"] == "2, keeping 0, 1 submodules"
    assert said == [
        "sensitivity: 3 submodules ranked on 24 calibration batches",
        "sensitivity: 0 of 3 submodules kept, accuracy missed",
        "sensitivity: 1 of 3 submodules kept, accuracy met",
    ]


def test_where_no_choice_holds_the_most_allowed_are_kept_and_it_is_said():
    seen = []

    def standing(program):
        seen.append(program)
        return "met" if len(seen) == 1 else "missed"

    run, _, noted = three(standing, sensitivity={"most": 1}, per_channel=False)
    assert floats(run()) == ["middle"]
    assert noted["accuracy"] == "not held on the quantized graph with 1 submodules kept"


def test_a_budget_that_the_float_model_misses_ends_the_search_before_it_starts():
    run, _, _ = three(lambda program: "missed", sensitivity=True)
    with pytest.raises(Failure) as caught:
        run()
    assert caught.value.diagnostics[0].code == "budget-missed"


def test_too_few_samples_to_tell_are_held_against_no_one():
    run, _, noted = three(lambda program: "inconclusive", sensitivity=True)
    run()
    assert noted["kept"] == "nothing; 3 submodules with weights are in int8"


def test_the_budgets_of_the_plan_decide(tiny_project, tmp_path):
    """With every decision to stay as it is, some layer of Tiny stays in float; with none, nothing does."""
    asked = Budget(kind="accuracy", statistic="sqnr", sense="min", limit=10.0, text="10", route=("budgets", "accuracy", "min"))
    lax = lowered(mixed([asked], sensitivity=True), tiny_project, tmp_path / "lax")
    strict = replace(asked, limit=lax.boundaries[-1].sqnr + 1.0)
    found = lowered(mixed([strict], sensitivity=True), tiny_project, tmp_path / "strict")
    assert found.resolved["kept"] != lax.resolved["kept"] == "nothing; 3 submodules with weights are in int8"
    assert found.boundaries[-1].sqnr > lax.boundaries[-1].sqnr
    assert found.delegation == lax.delegation == 1.0


def test_half_precision_borders_stay_outside_the_delegate(tiny_project, tmp_path):
    """Two conversions a kept submodule, each a kernel call: XNNPACK converts nothing."""
    found = lowered(mixed(keep={"modules": ["body.7"]}, precision="fp16"), tiny_project, tmp_path / "half")
    left = {operator.name: operator.left for operator in found.operators if operator.left}
    assert left == {"dim_order_ops::_to_dim_order_copy": 2}
    assert found.resolved["conversions to and from fp16"].startswith("2,")


class Chunks(nn.Module):
    def __init__(self):
        super().__init__()
        self.all, self.last = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x):
        query, key, value = self.all(x).chunk(3, -1)
        shares = nn.functional.softmax(query @ key.transpose(-1, -2), dim=-1, dtype=torch.float32).to(query.dtype)
        return self.last(shares @ value)


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory, self.last = nn.LSTM(16, 16, batch_first=True), nn.Linear(16, 16)

    def forward(self, x):
        return self.last(self.memory(x)[0])


class Largest(nn.Module):
    def forward(self, x):
        found = x.max(1, keepdim=True)
        return torch.relu(found.values) + x * torch.ones(16) + found.indices


@pytest.mark.parametrize("kind", [Chunks, Remembers, Largest])
def test_what_gives_several_values_or_states_float32_is_kept_in_half_precision(kind):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(16, 16), kind(), nn.Linear(16, 4))
    rows = samples(np.random.default_rng(0).standard_normal((4, 8, 16)).astype("float32"))
    program, material, _, _ = prepared(model, (tensor("x", 1, 8, 16),), calibration=rows)
    found = quantize(program, material, XNNPACK, {"keep": {"modules": ["1"]}, "precision": "fp16"})
    given = torch.from_numpy(rows[0].tensors["x"])
    expected, actual = (item.module(check_guards=False)(given)[0] for item in (program, found))
    assert float((actual - expected).abs().max()) < 0.05 * float(expected.abs().max())
    inside = [node for node in found.graph.nodes if node.op == "call_function" and any(name == "1" for name, _ in stack(node))]
    assert any(isinstance(node.meta["val"], torch.Tensor) and node.meta["val"].dtype is torch.float16 for node in inside)


def test_the_trap_a_quantizer_told_a_convolutions_name_does_nothing():
    """Raw ExecuTorch: set_module_name refuses None, and silently quantizes no convolution where it is given a config."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    config = get_symmetric_quantization_config(is_per_channel=True)
    with pytest.raises(AssertionError, match="not supported"):
        XNNPACKQuantizer().set_global(config).set_module_name("0", None)

    model, example = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval(), (torch.randn(1, 3, 8, 8),)

    def roundings(quantizer):
        found = prepare_pt2e(torch.export.export(model, example).module(check_guards=False), quantizer)
        found(*example)
        return sum("quantize_per" in str(node.target) for node in convert_pt2e(found).graph.nodes)

    assert roundings(XNNPACKQuantizer().set_module_name("0", config)) == 0
    assert roundings(XNNPACKQuantizer().set_global(config)) > 0
