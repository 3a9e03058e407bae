"""Quantization-aware fine-tuning: it is deterministic, leaves the float model alone, and refuses what cannot be learnt."""

import copy
import re

import numpy as np
import pytest
import torch
from materials import prepared, samples
from plans import picture, plan, project, tensor
from torch import nn

from edgec.artifacts.manifest import Choice, Data, Image
from edgec.diagnostics import Failure
from edgec.lowering import lowering
from edgec.recipes import fine_tuning
from edgec.recipes.int8_qat import course, quantize
from edgec.registry import plugin, rewrite_module
from edgec.rewrites.graph import duplicate
from edgec.runtime.inference import unguarded

LABELS = tuple(str(index) for index in range(10))
PICTURE = picture("image", 16, 16, Image(width=16, height=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)))
XNNPACK = plugin("delegates", "xnnpack")
VECTOR = (tensor("x", 1, 16),)


class Net(nn.Module):
    """[N, 16] to 4 scores."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, x):
        return self.layers(x)


class Normed(nn.Module):
    """[N, 16] to 4 scores; every weight is computed in the graph, and there is nothing else to train."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        norm = nn.utils.parametrizations.weight_norm
        first, last = nn.Linear(16, 32, bias=False), nn.Linear(32, 4, bias=False)
        with torch.no_grad():  # a weight that makes the scale coarse, so that there is something to learn
            first.weight[0, 0] = 3.0
        self.layers = nn.Sequential(norm(first), nn.ReLU(), norm(last))

    def forward(self, x):
        return self.layers(x)


class Pool(nn.Module):
    """[1, 2..8, 16] to 4 scores, of any length of the sequence."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(16, 4)

    def forward(self, x):
        return self.layer(x).mean(dim=1)


def vectors(labels=(), count=64):
    return samples(np.random.default_rng(0).standard_normal((count, 16)).astype("float32"), labels)


def trained(training, module=None, inputs=VECTOR, decides=True, **options):
    program, material, said, noted = prepared(module or Net(), inputs, training=training, decides=decides)
    found = quantize(program, material, XNNPACK, {"epochs": 2, "per_channel": False, **options})
    return found, [float(line.rpartition(" ")[2]) for line in said], noted


def refusal(training, **options):
    with pytest.raises(Failure) as caught:
        trained(training, **options)
    return caught.value.diagnostics[0]


def test_it_trains_says_so_and_gives_the_same_bytes_twice(tiny_project, tmp_path):
    roles = ("training", "evaluation")
    made = plan(
        Choice(name="python", options={"entry": "nets:Tiny"}),
        (PICTURE,),
        recipe=Choice(name="int8-qat", options={"epochs": 2}),
        data=tuple(Data(role=role, format="npz", options={"path": "pictures.npz"}) for role in roles),
        task="classification",
        labels=LABELS,
    )
    told, found = [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append(lowering(made, project(tiny_project), tmp_path / name, told.append))
    assert found[0] == found[1]
    assert (tmp_path / "one/model.pte").read_bytes() == (tmp_path / "two/model.pte").read_bytes()
    losses = [float(match[1]) for line in told if (match := re.fullmatch(r"fine-tuning: epoch \d of 2, loss (\S+)", line))]
    assert len(losses) == 4 and losses[1] < losses[0]
    assert found[0].resolved["fine-tuned"] == "2 epochs of 64 samples, distillation, learning rate 0.0001"
    assert found[0].recipe == "int8-qat" and found[0].delegation == 1.0
    assert [(item.before, item.after) for item in found[0].boundaries] == [
        ("eager", "exported"), ("exported", "rewritten"), ("rewritten", "quantized"), ("quantized", "pte"), ("eager", "pte"),
    ]  # fmt: skip
    assert found[0].boundaries[3].sqnr > 20


def test_weights_that_the_graph_computed_are_trained():
    program, material, said, _ = prepared(Normed(), VECTOR, training=vectors(), decides=True)
    folded = duplicate(program)
    assert len(rewrite_module("constants").rewrite(folded)) == 2
    quantize(folded, material, XNNPACK, {"epochs": 6, "per_channel": False, "learning_rate": 5e-3})
    losses = [float(line.rpartition(" ")[2]) for line in said]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("loss", ["cross-entropy", "distillation", "mse"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_each_loss_falls_and_the_float_model_stays_as_it_is(loss, optimizer):
    model = Net()
    with torch.no_grad():  # a weight that nothing reaches makes the scale coarse, so that there is something to learn
        model.layers[0].weight[0], model.layers[0].bias[0], model.layers[2].weight[0, 0] = 0.0, 0.0, 6.0
    before = copy.deepcopy(model.state_dict())
    truths = model(torch.from_numpy(np.concatenate([sample.tensors["x"] for sample in vectors()]))).argmax(1).tolist()
    how = {"loss": loss, "optimizer": optimizer, "learning_rate": 0.05 if optimizer == "sgd" else 5e-3, "batch_size": 8}
    _, losses, _ = trained(vectors(truths), model, epochs=4, frozen_epochs=1, **how)
    assert losses[-1] < losses[0]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_loss_is_that_of_the_task():
    assert "distillation" in trained(vectors())[2]["fine-tuned"]
    assert ", mse," in trained(vectors(), decides=False)[2]["fine-tuned"]


def test_a_steps_gradients_are_those_of_the_batch_however_many_samples_the_graph_takes():
    program, material, _, _ = prepared(Net(), VECTOR, training=vectors())
    teacher, plan = unguarded(program), course({}, decides=True)
    found = []
    for size in (16, 5, 1):
        student = copy.deepcopy(teacher)
        loss = fine_tuning._loss(lambda *inputs: (teacher(*inputs)[0] + 1.0 * inputs[0][:, :4],), material, plan, size)
        total = fine_tuning._gradients(student, loss, range(16), material, size)
        found.append([total, *(parameter.grad.numpy() for parameter in student.parameters())])
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, same, rtol=1e-4, atol=1e-7)


def test_samples_of_different_lengths_train_together():
    generator = np.random.default_rng(0)
    rows = [generator.standard_normal((2 + index % 7, 16)).astype("float32") for index in range(40)]
    found, losses, _ = trained(samples(rows), Pool(), (tensor("x", 1, (2, 8), 16),), epochs=4, learning_rate=2e-3)
    assert losses[-1] < losses[0]
    for length in (2, 8):
        assert found.module(check_guards=False)(torch.zeros(1, length, 16))[0].shape == (1, 4)


@pytest.mark.slow
def test_another_seed_sees_the_samples_in_another_order():
    weights = [trained(vectors(), seed=seed)[0].state_dict for seed in (1, 1, 2)]
    same = [[torch.equal(value, other[name]) for name, value in weights[0].items()] for other in weights[1:]]
    assert all(same[0]) and not all(same[1])


def test_torchs_settings_are_left_as_they_were():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    trained(vectors(), threads=before[0] + 1)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_training_draws_without_moving_torchs_generator():
    before = torch.random.get_rng_state()
    with fine_tuning.deterministic(5, torch.get_num_threads()):
        drawn = torch.randn(4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(drawn, torch.randn(4, generator=torch.Generator().manual_seed(5)))


def test_a_model_without_parameters_is_refused():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("weight", torch.randn(4, 16))

        def forward(self, x):
            return nn.functional.linear(x, self.weight)

    with pytest.raises(Failure) as caught:
        trained(vectors(), Fixed())
    (finding,) = caught.value.diagnostics
    assert finding.code == "recipe-brings-nothing" and "nn.Parameter" in finding.hint


@pytest.mark.parametrize("label", [None, 4, -1, 1.5, np.array([1, 2])])
def test_labels_that_cannot_serve_are_refused_by_sample(label):
    found = refusal(vectors([0] * 63 + [label]), loss="cross-entropy")
    assert found.code == "training-unfit" and "'63'" in found.message


def test_a_loss_that_blows_up_is_a_diverged_training():
    far = vectors()
    far[9].tensors["x"][:] *= 1e25  # finite, and its squared error is not
    found = refusal(far, loss="mse", learning_rate=0.5)
    assert found.code == "training-diverged" and "learning_rate (0.5)" in found.hint


def test_training_data_is_looked_at_like_calibration_data():
    broken = vectors()
    broken[5].tensors["x"][0, 3] = np.nan
    found = refusal(broken)
    assert found.code == "calibration-range" and "training sample '5'" in found.message


def test_the_trap_upstreams_preparation_forgets_the_batch_norms_epsilon():
    """Raw torchao: exported in training mode and prepared, a network with eps 1e-2 computes something else."""
    from torchao.quantization.pt2e import disable_fake_quant, move_exported_model_to_eval
    from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

    from edgec.artifacts.scheme import Scheme

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=1e-2)).eval()
    nn.init.constant_(model[1].running_var, 1e-3)
    pictures = torch.randn(4, 3, 8, 8)
    expected = model(pictures)
    graph = torch.export.export(copy.deepcopy(model).train(), (pictures,)).module(check_guards=False)
    raw = prepare_qat_pt2e(graph, XNNPACK.quantizer(Scheme(training=True), {}))
    move_exported_model_to_eval(raw)
    raw.apply(disable_fake_quant)
    assert float((raw(pictures) - expected).detach().abs().max() / expected.abs().max()) > 1.0

    # Ours, not yet trained: what is left is the rounding to 8 bits.
    rows = samples(pictures.numpy(), name="x")
    program, material, _, _ = prepared(model, (tensor("x", 1, 3, 8, 8),), training=rows, decides=False)
    found = unguarded(quantize(program, material, XNNPACK, {"epochs": 1, "learning_rate": 1e-12}))
    assert float((found(pictures)[0] - expected).abs().max() / expected.abs().max()) < 0.03


def test_integers_among_the_outputs_are_left_out_of_the_loss(tiny_project, tmp_path):
    data = (Data(role="training", format="npz", options={"path": "vectors.npz"}),)
    recipe = Choice(name="int8-qat", options={"epochs": 1})
    made = plan(Choice(name="python", options={"entry": "nets:Decides"}), (tensor("x", 1, 16),), recipe=recipe, data=data)
    assert lowering(made, project(tiny_project), tmp_path, lambda line: None).outputs[1].dtype == "int64"
