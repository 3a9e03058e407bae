"""Which rewrites are tried for which recipe and delegate, known without torch; and how they are shown."""

import inspect

import pytest

from edgec import protocols
from edgec.artifacts.manifest import Choice
from edgec.output.inspection import _rewrites
from edgec.registry import REWRITES, names, plugin, rewrite_module
from edgec.stages.rewrite import FLOAT, HALF, rewriting_limit, suitable


class Planned:
    def __init__(self, recipe, *delegates):
        self.recipe = Choice(name=recipe)
        self.delegates = tuple(Choice(name=name) for name in delegates)


@pytest.mark.parametrize("recipe", [name for name in names("recipes") if name != "auto"])
def test_silu_is_for_observed_ranges_and_wide_operators_are_for_half_precision(recipe):
    found = suitable(Planned(recipe, "xnnpack"))
    assert ("silu" in found) == (bool(plugin("recipes", recipe).NEEDS_DATA) or recipe == "fp16")
    assert ("layer-norm" in found) == ("gelu" in found) == (recipe == "fp16")
    assert "constants" in found


def test_what_xnnpack_wants_is_not_done_for_others():
    assert suitable(Planned("fp16", "portable")) == ("constants", "silu", "layer-norm")
    assert suitable(Planned("int8", "portable")) == ("constants", "silu")


def test_blocks_of_pixels_are_for_xnnpack_s_static_integers_alone():
    assert "stems" in suitable(Planned("int8", "xnnpack"))
    assert "stems" in suitable(Planned("int8", "xnnpack", "openvino"))
    for recipe, *delegates in (
        ("int8", "ethos-u", "xnnpack"), ("int8", "portable"), ("int8-qat", "xnnpack"), ("mixed", "xnnpack"), ("fp32", "xnnpack")
    ):  # fmt: skip
        assert "stems" not in suitable(Planned(recipe, *delegates))
    assert "pixels" in suitable(Planned("int8", "ethos-u", "xnnpack"))


def test_convolutions_for_linear_layers_are_for_openvino_s_integers_alone():
    assert {"linears", "attention"} <= set(suitable(Planned("int8", "openvino")))
    assert "linears" in suitable(Planned("int8", "openvino", "xnnpack"))
    for recipe, *delegates in (("fp32", "openvino"), ("fp16", "openvino"), ("int8", "xnnpack", "openvino")):
        assert "linears" not in suitable(Planned(recipe, *delegates))
    assert "attention" in suitable(Planned("fp32", "openvino"))


def test_constants_come_first_so_that_the_others_see_them():
    """Attention folds a mask only where it is known."""
    order = list(REWRITES)
    assert order[0] == "constants"
    assert order.index("attention") < order.index("views")


@pytest.mark.parametrize("name", REWRITES)
def test_a_rewrite_is_what_its_protocol_says(name):
    module = rewrite_module(name)
    assert module.SUMMARY and "\n" not in module.SUMMARY
    assert set(module.DELEGATES) <= set(names("delegates"))
    assert set(module.RECIPES) <= set(names("recipes"))
    for function in ("suits", "rewrite"):
        expected = list(inspect.signature(getattr(protocols.Rewrite, function)).parameters)[1:]
        assert list(inspect.signature(getattr(module, function)).parameters) == expected
    assert "torch" not in vars(module), "torch is imported inside functions"


def test_half_precision_may_round_more():
    assert rewriting_limit(Planned("fp16", "xnnpack")) == HALF
    assert rewriting_limit(Planned("int8", "xnnpack")) == rewriting_limit(Planned("fp32", "xnnpack")) == FLOAT


def test_people_see_what_was_rewritten_and_what_was_not():
    kept = {"name": "silu", "places": 2, "operators": [7, 9], "weight_bytes": [2000, 2000]}
    kept |= {"max_relative_error": 4e-7, "dropped": ""}
    lost = {**kept, "name": "views", "max_relative_error": None, "dropped": "too far\x1b[2J"}
    shown = _rewrites([kept, lost], colour=False)
    assert "7 → 9" in shown and "4e-07" in shown and "kept" in shown and "too far" in shown
    assert "\x1b" not in shown
    assert _rewrites([], colour=False) == ""
