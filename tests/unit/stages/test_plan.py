"""A plan fills in every default, and its lowering key follows what the job reads: all of it, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.manifest import Choice, Dimension
from edgec.artifacts.plan import Plan
from edgec.artifacts.settings import Settings
from edgec.pipeline import front, planned
from edgec.stages.plan import lowering_key

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def plans():
    work, failed = planned([front(ROOT / "manifests" / "camera.yaml")], Settings())
    assert not failed
    return {plan.target.name: plan for plan, _ in work}


@pytest.fixture
def nano(plans):
    return plans["jetson-nano"]


@pytest.mark.parametrize(
    ("target", "delegates", "kind"),
    [
        ("linux-x86_64", "xnnpack", "linux-native"),
        ("linux-x86_64", "vulkan", "linux-source"),
        ("jetson-orin-nano", "[vulkan, xnnpack]", "linux-source"),
        ("linux-x86_64", "[tosa, xnnpack]", "reference"),
        ("linux-x86_64", "openvino", "linux-native"),
        ("android-arm64", "vulkan", "android"),
        ("{name: mine, base: linux-aarch64, delegate: vgf}", "portable", "linux-source"),
    ],
)
def test_on_linux_a_delegate_without_a_runtime_decides_the_kind_of_bundle(tmp_path, target, delegates, kind):
    (tmp_path / "manifest.yaml").write_text(
        "apiVersion: edgec/v1\nname: trial\nversion: 1.0.0\ninputs: [{name: x, shape: [1, 3, 32, 32]}]\ntask: tensor\n"
        "model: {source: torchvision, name: mobilenet_v3_small, weights: {random: 0}}\nquantization: fp32\n"
        f"targets: [{target}]\ndelegate: {delegates}\n"
    )
    work, failed = planned([front(tmp_path / "manifest.yaml", tmp_path)], Settings())
    assert not failed
    plan = work[0][0]
    assert plan.target.kind == kind
    lacking = [note for note in plan.notes if note.startswith("bundle: ")]
    assert bool(lacking) == (kind in ("linux-source", "reference"))
    assert not lacking or "xnnpack" not in lacking[0]


@pytest.mark.parametrize(("delegate", "needs"), [("openvino", ("avx2",)), ("xnnpack", ()), ("[xnnpack, openvino]", ("avx2",))])
def test_what_a_delegate_needs_of_the_processor_is_no_feature_of_the_target(tmp_path, delegate, needs):
    (tmp_path / "manifest.yaml").write_text(
        "apiVersion: edgec/v1\nname: trial\nversion: 1.0.0\ninputs: [{name: x, shape: [1, 3, 32, 32]}]\ntask: tensor\n"
        "model: {source: torchvision, name: mobilenet_v3_small, weights: {random: 0}}\nquantization: fp32\n"
        f"targets: [linux-x86_64]\ndelegate: {delegate}\n"
    )
    work, failed = planned([front(tmp_path / "manifest.yaml", tmp_path)], Settings())
    assert not failed
    target = work[0][0].target
    assert (target.features, target.needs) == (("sse2",), needs)


def test_targets_with_one_recipe_share_a_lowering(plans):
    assert len({plan.lowering_key for plan in plans.values()}) == 1


def test_threads_default_to_the_targets_big_cores(plans):
    assert {name: plan.threads for name, plan in plans.items()} == {"jetson-nano": 4, "linux-x86_64": 2}
    assert any("threads: 4" in note for note in plans["jetson-nano"].notes)


@pytest.mark.parametrize(
    ("runtime", "told"),
    [("runtime: {threads: 1}\n", "threads: 1 changes nothing on ios"), ("", "threads: the runtime chooses")],
)
def test_on_apple_a_number_of_threads_is_told_to_change_nothing(tmp_path, runtime, told):
    (tmp_path / "manifest.yaml").write_text(
        "apiVersion: edgec/v1\nname: trial\nversion: 1.0.0\ninputs: [{name: x, shape: [1, 3, 32, 32]}]\ntask: tensor\n"
        "model: {source: torchvision, name: mobilenet_v3_small, weights: {random: 0}}\nquantization: fp32\n"
        f"targets: [ios, linux-x86_64]\ndelegate: xnnpack\n{runtime}"
    )
    work, failed = planned([front(tmp_path / "manifest.yaml", tmp_path)], Settings())
    assert not failed
    apple, linux = (plan.notes for plan, _ in work)
    assert [note.partition(";")[0] for note in apple if "threads" in note] == [told]
    assert not any("Swift" in note or "changes nothing" in note for note in linux)


def test_a_core_without_dot_product_is_told_so(plans):
    assert any("dot-product" in note for note in plans["jetson-nano"].notes)
    assert not any("dot-product" in note for note in plans["linux-x86_64"].notes)


def test_no_path_is_absolute(nano):
    assert str(ROOT) not in str(to_json(replace(nano, manifest="manifests/camera.yaml")))


def test_a_plan_survives_json(nano):
    assert from_json(Plan, to_json(nano)) == nano


CHANGES = {
    "model": lambda plan: replace(plan, model=Choice(name="torchvision", options={**plan.model.options, "name": "resnet18"})),
    "input": lambda plan: replace(plan, inputs=(replace(plan.inputs[0], dtype="float16"),)),
    "shape": lambda plan: replace(plan, inputs=(replace(plan.inputs[0], shape=(Dimension(minimum=1, maximum=2),)),)),
    "normalisation": lambda plan: replace(
        plan, inputs=(replace(plan.inputs[0], image=replace(plan.inputs[0].image, mean=(0.1, 0.5, 0.5))),)
    ),
    "labels": lambda plan: replace(plan, labels=plan.labels[::-1]),
    "samples": lambda plan: replace(
        plan, data=(replace(plan.data[0], options={**plan.data[0].options, "samples": 8}), *plan.data[1:])
    ),
    "a file's content": lambda plan: replace(plan, files={**plan.files, next(iter(plan.files)): "0" * 64}),
    "recipe": lambda plan: replace(plan, recipe=Choice(name="fp32")),
    "a recipe's option": lambda plan: replace(plan, recipe=Choice(name="int8", options={"per_channel": False})),
    "delegate": lambda plan: replace(plan, delegates=(Choice(name="portable"),)),
    "folder": lambda plan: replace(plan, folder="elsewhere"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_job_reads_changes_the_key(nano, change):
    assert lowering_key(CHANGES[change](nano)) != nano.lowering_key


KEPT = {
    "budgets": lambda plan: replace(plan, budgets=()),
    "target": lambda plan: replace(plan, target=replace(plan.target, name="front-door", memory=1)),
    "threads": lambda plan: replace(plan, threads=1),
    "version": lambda plan: replace(plan, version="2.0.0"),
    "description": lambda plan: replace(plan, description="other"),
}


@pytest.mark.parametrize("change", KEPT)
def test_what_the_job_does_not_read_keeps_the_key(nano, change):
    assert lowering_key(KEPT[change](nano)) == nano.lowering_key
