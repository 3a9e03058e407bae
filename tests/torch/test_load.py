"""Models as users write them: what cannot be exported is told by name, what only looks odd is loaded."""

import pytest
import torch
from plans import plan, project, tensor
from torch import nn

from edgec.artifacts.manifest import Choice
from edgec.diagnostics import Failure
from edgec.stages.load import load

MODEL = Choice(name="python", options={"entry": "nets:none"})


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """What ``load`` makes of a module that takes ``x`` [1, 4]."""

    def made(model):
        monkeypatch.setattr("edgec.sources.python.load", lambda options, project: model)
        return load(plan(MODEL, (tensor("x", 1, 4),)), project(tmp_path))

    return made


class Buffered(nn.Linear):
    def __init__(self, buffer):
        super().__init__(4, 2)
        self.register_buffer("given", buffer)


class Extra(nn.Linear):
    def get_extra_state(self):
        return {"version": 2}

    def set_extra_state(self, state):
        pass


class Half(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 2).bfloat16()

    def forward(self, x):
        return self.inner(x.bfloat16()).float()


def dynamic():
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 2)), {nn.Linear}, dtype=torch.qint8)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Sequential(nn.LazyLinear(2)), "the weights '0.weight' have no shape yet"),
        (lambda: nn.Sequential(nn.Linear(4, 2, device="meta")), "the weights '0.weight' lie on the device meta"),
        (lambda: Buffered(torch.eye(4).to_sparse()), "the weights 'given' are stored as sparse_coo"),
        (lambda: torch.jit.script(nn.Linear(4, 2)), "TorchScript"),
        (dynamic, "the module '0' is quantized already (Linear)"),
        (lambda: Buffered(torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)), "'given' are quantized already"),
    ],
)
def test_what_cannot_be_exported_is_named(loaded, make, words):
    with pytest.raises(Failure) as caught:
        loaded(make())
    (finding,) = caught.value.diagnostics
    assert finding.code == "model-not-loaded" and words in finding.message and finding.hint


def test_a_model_made_for_eager_quantization_computes_in_floats(loaded):
    class Sum(nn.Linear):
        def __init__(self):
            super().__init__(4, 2)
            self.sum = torch.ao.nn.quantized.FloatFunctional()

        def forward(self, x):
            return self.sum.add(super().forward(x), 1)

    assert loaded(Sum()).parameters == 10


def test_bfloat16_and_extra_state_are_no_obstacle(loaded):
    assert loaded(Half()).weights_sha256 != loaded(Half()).weights_sha256
    assert loaded(Extra(4, 2)).parameters == 10


def test_a_mask_of_minus_infinity_is_no_damage(loaded):
    mask = torch.full((2, 2), -torch.inf).triu(1)
    assert loaded(Buffered(mask)).parameters == 10


@pytest.mark.parametrize(("value", "learnt"), [(float("nan"), False), (float("nan"), True), (float("-inf"), True)])
def test_damaged_weights_stay_refused(loaded, value, learnt):
    model = Buffered(torch.tensor([0.0 if learnt else value, 1.0]))
    if learnt:
        model.bias.data[0] = value
    with pytest.raises(Failure) as caught:
        loaded(model)
    (finding,) = caught.value.diagnostics
    assert finding.code == "non-finite" and f"{'bias' if learnt else 'given'!r} hold 1 value" in finding.message


class Mixture(nn.Linear):
    def forward(self, x):
        return {"scores": super().forward(x), "loss": None, "scale": 3.0, "parts": (x.sum(), "words")}


def test_what_is_no_tensor_is_named_and_left_out(loaded):
    found = loaded(Mixture(4, 2))
    assert found.outputs == ("scores", "parts_output0")
    assert found.left_out == ("scale (float)", "parts_output1 (str)")
    assert loaded(nn.Linear(4, 2)).left_out == ()
