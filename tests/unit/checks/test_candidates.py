"""What a search puts together for each target, and what can never be among it."""

import pytest

from edgec.artifacts import scheme
from edgec.artifacts.document import Document
from edgec.artifacts.manifest import Choice
from edgec.checks.candidates import combinations, likeness, settings
from edgec.registry import names, plugin
from edgec.stages.parse import parse

BASE = {
    "apiVersion": "edgec/v1",
    "name": "trial",
    "version": "1.0.0",
    "model": {"source": "torchvision", "name": "resnet18", "weights": "DEFAULT"},
    "inputs": [{"name": "x", "shape": [1, 3, 8, 8]}],
    "task": "tensor",
    "targets": ["linux-x86_64"],
}
DATA = {"format": "npz", "path": "data.npz"}


def manifest(**more):
    return parse(Document(path="m.yaml", text="", data={**BASE, **more}))


def tried(**more):
    return [(s.target.name, s.recipe.name, "+".join(d.name for d in s.delegates)) for s in settings(manifest(**more))]


def test_every_recipe_meets_every_list_of_delegates_in_the_order_written():
    search = {"recipes": ["fp32", "fp16"], "delegates": ["xnnpack", ["xnnpack", "portable"], "portable"]}
    assert [pair[1:] for pair in tried(search=search)] == [
        (recipe, delegates) for recipe in ("fp32", "fp16") for delegates in ("xnnpack", "xnnpack+portable", "portable")
    ]


@pytest.mark.parametrize(
    ("data", "recipes"),
    [
        ({}, ["fp16", "fp32"]),
        ({"calibration": DATA}, ["int8", "fp16", "fp32"]),
        ({"calibration": DATA, "training": DATA}, ["int8", "int8-qat", "fp16", "fp32"]),
    ],
)
def test_recipes_that_are_not_named_are_those_that_the_data_allow(data, recipes):
    assert [pair[1] for pair in tried(search={}, data=data)] == recipes


def test_a_target_fixes_what_it_names_itself():
    targets = [
        {"name": "linux-x86_64", "quantization": "fp32"},
        {"name": "desk", "base": "linux-x86_64", "delegate": "portable"},
        {"name": "door", "base": "jetson-nano", "quantization": "fp32", "delegate": "portable"},
    ]
    search = {"recipes": ["fp16", "fp32"], "delegates": ["xnnpack", "portable"]}
    assert tried(targets=targets, search=search) == [
        ("linux-x86_64", "fp32", "xnnpack"),
        ("linux-x86_64", "fp32", "portable"),
        ("desk", "fp16", "portable"),
        ("desk", "fp32", "portable"),
        ("door", "fp32", "portable"),
    ]
    searched = [setting.searched for setting in settings(manifest(targets=targets, search=search))]
    assert searched == [True] * 4 + [False]


def test_what_can_never_be_is_not_tried():
    search = {"recipes": ["int4", "fp32"], "delegates": ["xnnpack", "portable"]}
    assert ("linux-x86_64", "int4", "portable") not in tried(search=search)
    assert len(list(combinations(manifest(search=search)))) == 4


def test_what_the_manifest_fixes_is_always_there_for_the_other_rules_to_refuse():
    assert tried(quantization="int4", delegate="portable") == [("linux-x86_64", "int4", "portable")]


def test_a_search_under_quantization_is_the_same():
    search = {"recipes": ["fp32"], "objective": "size", "time_limit": "2m"}
    nested, plain = manifest(quantization={"search": search}).search, manifest(search=search).search
    assert (nested.route, plain.route) == (("quantization", "search"), ("search",))
    assert (nested.recipes, nested.objective, nested.time_limit) == (plain.recipes, "size", 120.0)
    assert not nested.beside and not plain.beside


def test_written_out_defaults_and_idle_delegates_make_no_other_candidate():
    bare, full, other = (
        next(settings(manifest(data={"calibration": DATA}, quantization=recipe, delegate=delegate)))
        for recipe, delegate in (
            ("int8", "xnnpack"),
            ({"name": "int8", "options": {"per_channel": True}}, ["xnnpack", "portable"]),
            ({"name": "int8", "options": {"per_channel": False}}, "xnnpack"),
        )
    )
    alike = [likeness(setting.recipe, setting.delegates) for setting in (bare, full, other)]
    assert alike[0] == alike[1] != alike[2]


def test_kernels_of_ones_own_are_not_those_that_run_what_is_left():
    recipe = Choice(name="int8")
    portable, cortex_m, xnnpack = (Choice(name=name) for name in ("portable", "cortex-m", "xnnpack"))
    assert likeness(recipe, (portable,)) != likeness(recipe, (cortex_m,))
    assert likeness(recipe, (xnnpack,)) == likeness(recipe, (xnnpack, portable))


def test_a_search_passes_over_options_that_a_quantizer_does_not_heed():
    """It would build one artifact twice, and record that the two differ."""
    recipes = [
        "int8",
        *({"name": "int8", "options": {key: value}} for key, value in (("per_channel", False), ("observer", "min-max"))),
    ]
    found = settings(
        manifest(
            search={"recipes": recipes, "delegates": ["xnnpack", "openvino", "tosa", ["portable", "openvino"]]},
            data={"calibration": DATA},
        )
    )
    kept = {}
    for setting in found:
        name = "+".join(choice.name for choice in setting.delegates)
        kept.setdefault(name, []).append(next(iter(setting.recipe.options), "bare"))
    every = ["bare", "per_channel", "observer"]
    assert kept == {"xnnpack": every, "openvino": ["bare"], "portable+openvino": every}


@pytest.mark.parametrize("delegate", names("delegates"))
def test_what_a_quantizer_heeds_is_an_option_of_some_recipe(delegate):
    assert set(plugin("delegates", delegate).SCHEME) <= set(scheme.OPTIONS)


def test_a_search_passes_over_kernels_of_another_core_than_the_targets():
    """Scratch buffers that are planned for a Cortex-M4's kernels are too small for those that run on a Cortex-M55."""
    asked = [{"name": "cortex-m", "options": {"cpu": cpu}} for cpu in ("cortex-m4", "cortex-m55", "cortex-m85")]
    search = {"recipes": ["int8"], "delegates": asked}
    targets = ["corstone-300", {"name": "faster", "base": "corstone-300", "cpu": "cortex-m85"}]
    found = settings(manifest(targets=targets, search=search, data={"calibration": DATA}))
    cores = [(setting.target.name, setting.delegates[0].options["cpu"]) for setting in found]
    assert cores == [("corstone-300", "cortex-m55"), ("faster", "cortex-m85")]
