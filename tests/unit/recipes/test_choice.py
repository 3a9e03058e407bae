"""What the recipe auto takes for which work, and what the plan says of recipes on CPUs; nothing here imports torch."""

from dataclasses import replace

import pytest

from edgec.recipes import auto
from edgec.registry import names, plugin
from edgec.targets.table import JETSON_NANO, LINUX_X86_64

EVERY = frozenset(names("recipes"))
CONVOLUTIONAL = {"convolution": 90, "linear": 9, "other": 1}
LINEAR = {"convolution": 5, "linear": 80, "other": 15}
MODERN = replace(JETSON_NANO, cpu="cortex-a76", features=("asimd", "asimdhp", "asimddp"))


@pytest.mark.parametrize(
    ("work", "calibration", "runnable", "target", "recipe", "because"),
    [
        (CONVOLUTIONAL, True, EVERY, JETSON_NANO, "int8", "convolutions hold 90 %"),
        (CONVOLUTIONAL, False, EVERY, JETSON_NANO, "fp32", "needs calibration data"),
        (CONVOLUTIONAL, False, EVERY, MODERN, "fp16", "the CPU computes in half precision (asimdhp)"),
        (CONVOLUTIONAL, True, EVERY - {"int8"}, LINUX_X86_64, "fp32", "no recipe with integers"),
        (LINEAR, False, EVERY, JETSON_NANO, "int8-dynamic", "linear layers hold 80 %"),
        (LINEAR, True, EVERY - {"int8-dynamic"}, LINUX_X86_64, "fp32", "no recipe with integers"),
        ({}, True, EVERY, JETSON_NANO, "fp32", "multiplies no matrices"),
    ],
)
def test_the_work_decides(work, calibration, runnable, target, recipe, because):
    found, reason = auto.choose(work, 1_000_000, calibration, runnable, target)
    assert found == recipe and because in reason
    assert found in runnable


def test_a_tiny_model_stays_as_it_is():
    found, reason = auto.choose(CONVOLUTIONAL, auto.TINY - 1, True, EVERY, JETSON_NANO)
    assert (found, reason) == ("fp32", "15,999 parameters are too few to be worth a rounding")
    assert auto.choose(CONVOLUTIONAL, auto.TINY, True, EVERY, JETSON_NANO)[0] == "int8"


@pytest.mark.parametrize("recipe", names("recipes"))
def test_features_are_those_that_targets_may_have(recipe):
    known = {"aarch64": {"asimdhp", "asimddp", "bf16", "i8mm"}, "x86_64": {"avx512_bf16", "avx512_vnni"}}
    for architecture, wanted in plugin("recipes", recipe).FEATURES.items():
        assert set(wanted) <= known[architecture]


@pytest.mark.parametrize("name", ["xnnpack", "portable"])
def test_every_delegate_can_be_left_to_auto(name):
    assert {"fp32", "auto"} <= set(plugin("delegates", name).RECIPES)
