"""Traps in data and weights, each shown first as ExecuTorch has it, without a word, and then as edgec answers it."""

import hashlib
import warnings
from dataclasses import replace

import numpy as np
import pytest
from plans import plan, project, tensor

from edgec.artifacts.manifest import Choice, Data
from edgec.diagnostics import Failure
from edgec.lowering import lowering
from edgec.metrics.agreement import same_decision
from edgec.metrics.sqnr import decibels
from edgec.registry import plugin

NETS = '''
import torch
from torch import nn


class Sensor(nn.Module):
    """[1, 16] to 4 scores."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, x):
        return self.layers(x)


class Turned(nn.Module):
    """[1, 3, 8, 8] to 4 scores; its own code works in channels_last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8 * 64, 4)
        self.to(memory_format=torch.channels_last)

    def forward(self, x):
        x = torch.relu(self.conv(x.to(memory_format=torch.channels_last)))
        return self.head(x.flatten(1))


class Maps(Turned):
    """What it gives is in channels_last too."""

    def forward(self, x):
        return torch.relu(self.conv(x.to(memory_format=torch.channels_last)))


class Poisoned(Sensor):
    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.layers[0].weight[3, 5] = float("nan")
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Vectors in 0..1 as the device feeds them, the same in 0..255, and pictures as planes."""
    folder = tmp_path_factory.mktemp("traps")
    (folder / "nets.py").write_text(NETS)
    generator = np.random.default_rng(0)
    vectors = generator.random((64, 16)).astype(np.float32)
    np.savez(folder / "unit.npz", x=vectors)
    np.savez(folder / "bytes.npz", x=vectors * 255)
    np.savez(folder / "planes.npz", x=generator.random((32, 3, 8, 8)).astype(np.float32))
    return folder


def made(name, inputs, recipe="fp32", **paths):
    data = tuple(Data(role=role, format="npz", options={"path": path}) for role, path in paths.items())
    chosen = Choice(name="python", options={"entry": f"nets:{name}", "arguments": {}})
    files = {"nets.py": hashlib.sha256(NETS.encode()).hexdigest()}
    return replace(plan(chosen, inputs, recipe=Choice(name=recipe), data=data), files=files)


def refusal(asked, place, folder):
    with pytest.raises(Failure) as caught:
        lowering(asked, project(place), folder, lambda line: None)
    return caught.value.diagnostics[0]


def net(name, place):
    scope: dict = {}
    exec(compile(NETS, str(place / "nets.py"), "exec"), scope)
    return scope[name]().eval()


VECTOR = (tensor("x", 1, 16),)


def quantized(model, calibration):
    """As ExecuTorch's documentation has it: PT2E with XNNPACK's quantizer."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from edgec.artifacts.scheme import Scheme

    graph = torch.export.export(model, (calibration[:1],)).module(check_guards=False)
    prepared = prepare_pt2e(graph, plugin("delegates", "xnnpack").quantizer(Scheme(), {}))
    for row in calibration:
        prepared(row[None])
    return convert_pt2e(prepared)


@pytest.mark.parametrize(("calibration", "evaluation"), [("bytes.npz", "unit.npz"), ("unit.npz", "bytes.npz")])
def test_the_trap_calibration_of_another_scale_is_taken_without_a_word(calibration, evaluation, place):
    import torch

    model = net("Sensor", place)
    learned, judged = (torch.from_numpy(np.load(place / name)["x"]) for name in (calibration, evaluation))
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        graph = quantized(model, learned)
        told = " ".join(str(item.message).lower() for item in caught)
        actual = np.concatenate([graph(row[None]).numpy() for row in judged])
        expected = model(judged).numpy()
    assert not any(word in told for word in ("calibrat", "out of range", "saturat", "clip"))
    assert decibels(expected, actual) < 10.0
    with torch.no_grad():
        sound = quantized(model, judged)
        assert decibels(expected, np.concatenate([sound(row[None]).numpy() for row in judged])) > 25.0


@pytest.mark.parametrize(
    ("calibration", "evaluation", "says"), [("bytes.npz", "unit.npz", "less"), ("unit.npz", "bytes.npz", "more")]
)
def test_calibration_of_another_scale_is_refused_with_both_scales(calibration, evaluation, says, place, tmp_path):
    found = refusal(made("Sensor", VECTOR, "int8", calibration=calibration, evaluation=evaluation), place, tmp_path)
    assert found.code == "calibration-range"
    assert f"255 times {says}" in found.message
    assert "'x'" in found.message


def test_the_trap_nan_weights_agree_with_themselves(place):
    """Every answer is NaN, and every decision is the same: agreement alone would pass it."""
    import torch

    model = net("Poisoned", place)
    rows = torch.from_numpy(np.load(place / "unit.npz")["x"])
    with torch.no_grad():
        graph = torch.export.export(model, (rows[:1],)).module(check_guards=False)
        expected = model(rows).numpy()
        actual = np.concatenate([graph(row[None]).numpy() for row in rows])
    assert np.isnan(expected).all() and np.isnan(actual).all()
    assert same_decision(expected, actual).mean() == 1.0


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_nan_weights_are_refused_by_name(recipe, place, tmp_path):
    found = refusal(made("Poisoned", VECTOR, recipe, calibration="unit.npz", evaluation="unit.npz"), place, tmp_path)
    assert found.code == "non-finite"
    assert "layers.0.weight" in found.message


@pytest.fixture(scope="module")
def turned(place, tmp_path_factory):
    folder = tmp_path_factory.mktemp("turned")
    asked = made("Turned", (tensor("x", 1, 3, 8, 8),), evaluation="planes.npz")
    return lowering(asked, project(place), folder, lambda line: None), folder


def test_a_model_that_turns_to_channels_last_itself_answers_as_eager_does(turned):
    """Parity on all of the evaluation data is part of the lowering: a wrong layout would have been refused."""
    found, folder = turned
    assert (found.boundaries[-1].before, found.boundaries[-1].after) == ("eager", "pte")
    assert found.boundaries[-1].sqnr > 70.0
    with np.load(folder / found.evaluation) as answers:
        np.testing.assert_allclose(answers["output.0"], answers["reference.0"], atol=1e-4)


def test_the_trap_filters_in_channels_last_do_not_lower(place):
    """XNNPACK's partitioner asserts; nothing in the message says what to do."""
    import torch
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(net("Turned", place), (torch.rand(1, 3, 8, 8),))
    partitioners = plugin("delegates", "xnnpack").partitioners("fp32", {})
    with pytest.raises(Exception, match="ChannelsLastTaggedReshapePass"):
        to_edge_transform_and_lower(program, partitioner=partitioners)


def test_a_model_that_gives_channels_last_is_read_rightly(place, tmp_path):
    found = lowering(made("Maps", (tensor("x", 1, 3, 8, 8),), evaluation="planes.npz"), project(place), tmp_path, print)
    assert found.outputs[0].shape == (1, 8, 8, 8)
    assert found.boundaries[-1].sqnr > 70.0


def test_the_trap_a_channels_last_input_is_read_as_contiguous(turned, place):
    """The runtime takes it, raises nothing, and the answer is that to scrambled pixels."""
    import torch
    from executorch.runtime import Runtime

    _, folder = turned
    program = Runtime.get().load_program((folder / "model.pte").read_bytes())
    method = program.load_method("forward")
    picture = torch.from_numpy(np.load(place / "planes.npz")["x"][:1])
    right = method.execute([picture])[0].clone()
    last = picture.to(memory_format=torch.channels_last)
    assert torch.equal(last, picture)
    wrong = method.execute([last])[0].clone()
    scrambled = last.permute(0, 2, 3, 1).reshape(picture.shape).contiguous()
    assert float((wrong - right).abs().max()) > 0.01
    assert torch.allclose(wrong, method.execute([scrambled])[0], atol=1e-5)
    del method, program


def test_edgecs_session_feeds_the_values_whatever_the_strides(turned, place, tmp_path):
    from edgec.runtime.session import Session

    found, folder = turned
    picture = np.load(place / "planes.npz")["x"][:1]
    strided = np.ascontiguousarray(picture.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert not strided.flags["C_CONTIGUOUS"] and np.array_equal(strided, picture)
    with Session(tmp_path) as session:
        session.load(folder / "model.pte", found.pte_sha256, False)
        (right,), (same,) = session.run([picture]), session.run([strided])
    np.testing.assert_array_equal(right, same)
