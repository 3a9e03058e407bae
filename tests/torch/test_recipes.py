"""Recipes for linear layers and the one that chooses: delegated, run, compared; what they refuse, and what options do."""

import functools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from materials import prepared, samples
from plans import tensor
from recipe_nets import lowered, net, write

from edgec.artifacts.manifest import Choice
from edgec.diagnostics import Failure
from edgec.stages.quantize import _watched, quantize


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("recipes"))


@pytest.fixture(scope="session")
def built(folder, tmp_path_factory):
    """The record of one network with one recipe, lowered once."""

    @functools.cache
    def of(name, recipe, delegate="xnnpack", **options):
        roles = ("evaluation", "calibration") if recipe in ("auto", "int8") else ("evaluation",)
        return lowered(net(name, recipe, delegate, roles, **options), folder, tmp_path_factory.mktemp(recipe))

    return of


def refusal(made, folder, job):
    with pytest.raises(Failure) as caught:
        lowered(made, folder, job)
    return caught.value.diagnostics[0]


FLOORS = {"bf16": 40.0, "int8-dynamic": 35.0, "int4": 16.0}
SHARES = {"bf16": 0.6, "int8-dynamic": 0.4, "int4": 0.27}


@pytest.mark.parametrize("recipe", FLOORS)
def test_linear_layers_are_smaller_delegated_and_near_the_model(recipe, built):
    found, reference = built("Perceptron", recipe), built("Perceptron", "fp32")
    assert found.recipe == recipe
    assert found.backends == ("XnnpackBackend",)
    assert [(item.before, item.after) for item in found.boundaries] == [
        ("eager", "exported"), ("exported", "quantized"), ("quantized", "pte"), ("eager", "pte"),
    ]  # fmt: skip
    assert found.boundaries[-1].sqnr > FLOORS[recipe]
    assert found.pte_bytes < SHARES[recipe] * reference.pte_bytes
    # A bfloat16 network is entered and left by a conversion that XNNPACK does not take; none stands between its layers.
    left = {operator.name: operator.left for operator in found.operators if operator.left}
    assert left == ({"dim_order_ops::_to_dim_order_copy": 2} if recipe == "bf16" else {})


@pytest.mark.parametrize("recipe", FLOORS)
def test_the_projections_of_attention_are_taken_too(recipe, built):
    found = built("Attention", recipe)
    linear = next(operator for operator in found.operators if operator.name == "aten::linear")
    assert (linear.delegated, linear.left) == (5, 0)
    assert found.boundaries[-1].sqnr > FLOORS[recipe]
    # Weights of the linear layers: 32·96 + 32·32 + 2·32·64 + 32·8, of 34 kB in float32.
    saved = built("Attention", "fp32").pte_bytes - found.pte_bytes
    assert saved > {"bf16": 9_000, "int8-dynamic": 20_000, "int4": 24_000}[recipe]


def test_what_a_group_does_not_divide_gets_8_bits(built):
    found = built("Odd", "int4")
    assert found.resolved["linear layers"] == "1 with 4-bit weights, 2 with 8-bit ones"
    assert found.delegation == 1.0


def test_a_larger_group_makes_a_smaller_file(built):
    sizes = [built("Perceptron", "int4", group_size=size).pte_bytes for size in (32, 64)]
    sizes.append(built("Perceptron", "int4", group_size="channel").pte_bytes)
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3


@pytest.mark.parametrize("recipe", FLOORS)
def test_a_dynamic_axis_stays_dynamic(recipe, folder, tmp_path):
    made = replace(net("Tokens", recipe, roles=()), inputs=(tensor("x", 1, (1, 8), 64),))
    found = lowered(made, folder, tmp_path)
    assert {(1, 1, 64), (1, 8, 64)} <= {vector.input_shapes[0] for vector in found.golden}
    assert found.boundaries[-1].sqnr > FLOORS[recipe]


class Namesakes(torch.nn.Module):
    """``fc.1`` and ``fc_1``, whose names become one where a dot is no letter of a name."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.fc = torch.nn.ModuleList(torch.nn.Linear(32, 32) for _ in range(2))
        self.fc_1 = torch.nn.Linear(32, 32)

    def forward(self, x):
        return self.fc_1(torch.relu(self.fc[1](x)))


@pytest.mark.parametrize("recipe", ["int4", "bf16", "mixed"])
def test_layers_whose_names_are_alike_keep_their_own_weights(recipe):
    from edgec.registry import plugin

    rows = np.random.default_rng(0).standard_normal((8, 32)).astype("float32")
    program, material, _, _ = prepared(Namesakes(), (tensor("x", 1, 32),), calibration=samples(rows))
    if recipe == "mixed":
        from edgec.recipes.submodules import inside, narrow

        graph = program.module(check_guards=False)
        narrow(graph, inside(["fc.1", "fc_1"]))
    else:
        quantized = plugin("recipes", recipe).quantize(program, material, plugin("delegates", "xnnpack"), {})
        graph = quantized.module(check_guards=False)
    given = torch.from_numpy(rows[:1])
    expected, found = program.module(check_guards=False)(given)[0], graph(given)[0]
    assert float((found - expected).abs().max()) < 0.2 * float(expected.abs().max())


def test_int8_observes_ranges_as_it_is_told(built):
    """A histogram leaves out what is rare: the scales, and so the bytes, are others; both are near the model."""
    histogram, extremes = (built("Perceptron", "int8", observer=name) for name in ("histogram", "min-max"))
    assert histogram.pte_sha256 != extremes.pte_sha256 and histogram.pte_bytes == extremes.pte_bytes
    assert min(found.boundaries[-1].sqnr for found in (histogram, extremes)) > 25.0
    tensor = built("Perceptron", "int8", per_channel=False)
    assert tensor.pte_bytes < histogram.pte_bytes


def test_dynamic_convolutions_are_quantized_also_before_a_relu(built):
    """XNNPACK's quantizer passes over those; the depthwise one stays in float32."""
    every, none = built("WithHead", "int8-dynamic"), built("WithHead", "int8-dynamic", convolutions=False)
    assert every.delegation == none.delegation == 1.0
    assert every.boundaries[-1].sqnr > FLOORS["int8-dynamic"]
    # 64·8·8·8 and 16·64 weights in 8 bits; three scales a layer and the padding of 16 bytes are small beside them.
    assert none.pte_bytes - every.pte_bytes > 0.9 * 3 * (64 * 8 * 64 + 16 * 64)


def test_bf16_leaves_convolutions_in_float32(built):
    found = built("WithHead", "bf16")
    assert found.boundaries[-1].sqnr > FLOORS["bf16"]
    assert {operator.name: operator.left for operator in found.operators}["aten::convolution"] == 0


def test_portable_kernels_run_dynamic_int8(built):
    found = built("Perceptron", "int8-dynamic", "portable")
    assert "quantized_decomposed::choose_qparams.Tensor_out" in found.kernels
    assert found.boundaries[-1].sqnr > FLOORS["int8-dynamic"]


NOTHING = {
    "int4 without linear layers": ("Convolutional", "int4", {}, "no linear layer", "int8"),
    "int4 with odd layers": ("NoneFits", "int4", {}, "none of its 2 linear layers", "int8-dynamic"),
    "bf16 without linear layers": ("Convolutional", "bf16", {}, "no linear layer", "fp16"),
    "int8-dynamic without linear layers": (
        "Convolutional", "int8-dynamic", {"convolutions": False}, "convolutions and no linear layer", "convolutions: true",
    ),
    "int8-dynamic without layers": ("Scaled", "int8-dynamic", {}, "no layer", "fp32"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTHING)
def test_a_recipe_that_brings_nothing_is_refused(case, folder, tmp_path):
    name, recipe, options, says, way_out = NOTHING[case]
    finding = refusal(net(name, recipe, **options), folder, tmp_path)
    assert (finding.code, finding.exit_code) == ("recipe-brings-nothing", 4)
    assert f"the recipe {recipe} changes nothing in this model" in finding.message
    assert says in finding.message and way_out in finding.hint


CHOSEN = {
    "Perceptron": ("int8-dynamic", "linear layers hold 100 %"),
    "Convolutional": ("int8", "convolutions hold 100 %"),
    "Odd": ("fp32", "3,358 parameters"),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_auto_takes_the_recipe_that_suits_the_model_and_says_why(name, built):
    recipe, reason = CHOSEN[name]
    found = built(name, "auto")
    assert found.recipe == recipe
    assert found.resolved["recipe"].startswith(f"{recipe}: ") and reason in found.resolved["recipe"]
    from edgec.registry import plugin

    assert found.tolerance == plugin("recipes", recipe).TOLERANCE


def test_auto_keeps_to_what_its_delegates_run():
    from types import SimpleNamespace

    import torch

    from edgec.stages.resolve import resolve

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), torch.nn.Conv2d(64, 64, 3))
    loaded = SimpleNamespace(model=model, example=(torch.zeros(1, 3, 8, 8),), parameters=38_720)
    made = net("Convolutional", "auto", "portable", ())
    plan, decided = resolve(made, loaded)
    assert plan.recipe == Choice(name="fp32") and "calibration data" in decided["recipe"]
    arm = replace(made, target=replace(made.target, architecture="aarch64", features=("asimd", "asimdhp")))
    assert resolve(arm, loaded)[0].recipe == Choice(name="fp16")
    named = replace(made, recipe=Choice(name="int4"))
    assert resolve(named, loaded) == (named, {})


def test_multiply_accumulates_are_counted_by_kind():
    import torch

    from edgec.stages.resolve import multiply_accumulates

    class Mixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(4, 8, 3, groups=2)
            self.linear = torch.nn.Linear(5, 7)

        def forward(self, x):
            y = self.linear(self.convolution(x).flatten(0, 2)[:, :5])
            return y.unsqueeze(0) @ y.T.unsqueeze(0)

    work = multiply_accumulates(Mixed(), (torch.zeros(1, 4, 8, 8),))
    rows = 8 * 6
    assert work == {"convolution": 8 * 6 * 6 * 2 * 9, "linear": rows * 5 * 7, "other": rows * rows * 7}


class Embeds(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.layer = torch.nn.Embedding(4, 8), torch.nn.Linear(8, 2)

    def forward(self, ids):
        return self.layer(self.table(ids).mean(1))


def calibrated_with(*rows):
    inputs = (tensor("ids", 1, 3, dtype="int64"),)
    data = samples(np.array(rows, np.int64), name="ids")
    program, material, _, _ = prepared(Embeds(), inputs, calibration=data)
    plan = SimpleNamespace(recipe=Choice(name="int8"), delegates=(Choice(name="xnnpack"),), inputs=inputs)
    return quantize(plan, program, material, data)


def test_a_calibration_sample_that_the_model_cannot_take_is_named():
    with pytest.raises(Failure) as caught:
        calibrated_with([0, 1, 2], [3, 2, 1], [0, 9, 0])
    (finding,) = caught.value.diagnostics
    assert finding.code == "model-not-loaded"
    assert finding.message == "the model fails on the sample '2': IndexError: index out of range in self"


def test_what_fails_beside_the_samples_is_the_recipes(monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("no conversion")

    monkeypatch.setattr("torchao.quantization.pt2e.quantize_pt2e.convert_pt2e", broken)
    with pytest.raises(Failure) as caught:
        calibrated_with([0, 1, 2], [3, 2, 1])
    assert caught.value.diagnostics[0].code == "quantize-failed"


def test_the_batch_that_is_worked_on_is_known():
    fed, seen = [], []
    begin = _watched(lambda: iter([(np.zeros((2, 1)),), (np.zeros((1, 1)),)]), ["a", "b", "c"], fed)
    for _ in begin():
        seen.append([samples[index] for samples, batch in fed for index in batch])
    assert seen == [["a", "b"], ["c"]] and fed == []
