"""Golden tolerances follow the recipe and the core: tight where a core was measured to round alike, widest for any machine."""

from dataclasses import replace

import pytest

import bundle_parts
from edgec.artifacts.bundle import Layout
from edgec.artifacts.description import describe
from edgec.registry import names, plugin
from edgec.targets.cpus import CPUS, with_cpu
from edgec.targets.table import JETSON_NANO, TARGETS


def lowered(recipe, tmp_path):
    module = plugin("recipes", recipe)
    made = bundle_parts.lowered(tmp_path / recipe)
    return replace(made, tolerance=module.TOLERANCE, without=module.WITHOUT)


@pytest.mark.parametrize(
    ("recipe", "cpu", "relative"),
    [
        ("fp32", "cortex-a57", 1e-4), ("fp32", "cortex-a76", 1e-4),
        ("fp16", "cortex-a57", 0.01), ("fp16", "cortex-a72", 0.01), ("fp16", "cortex-a76", 0.05),
        ("int8-dynamic", "cortex-a53", 0.02), ("int8-dynamic", "cortex-a76", 0.05), ("int8", "cortex-a57", 0.02),
    ],
)  # fmt: skip
def test_a_core_has_its_own(recipe, cpu, relative, tmp_path):
    assert lowered(recipe, tmp_path).tolerance_on(with_cpu(JETSON_NANO, CPUS[cpu]))[1] == relative


@pytest.mark.parametrize("name", ["linux-aarch64", "linux-x86_64", "linux-x86_64-avx2"])
def test_any_machine_has_the_widest(name, tmp_path):
    for recipe in names("recipes"):
        assert lowered(recipe, tmp_path).tolerance_on(TARGETS[name]) == plugin("recipes", recipe).TOLERANCE


def test_none_is_wider_than_the_recipes_own():
    for recipe in names("recipes"):
        module = plugin("recipes", recipe)
        assert all(pair[0] <= module.TOLERANCE[0] and pair[1] <= module.TOLERANCE[1] for pair in module.WITHOUT.values())


def test_the_bundle_says_the_targets(tmp_path):
    plan = bundle_parts.plan(target=JETSON_NANO)
    golden = describe(plan, lowered("fp16", tmp_path), Layout())["golden"]
    assert (golden["absolute"], golden["relative"]) == (1e-3, 0.01)
