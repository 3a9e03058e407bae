"""Every field that a stage may read is varied in turn: the key changes with what is read, and with nothing else.

A field that is new fails the test until somebody says which of the two keys it belongs to.
"""

from __future__ import annotations

import platform
import zlib
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from bundle_parts import plan as camera
from edgec.artifacts.manifest import Budget, Choice, Data, Dimension, Image, Input, Search, Slice
from edgec.artifacts.plan import Plan
from edgec.artifacts.target import Target
from edgec.stages import inputs
from edgec.stages.inputs import (
    LOWERING_PACKAGES,
    RENDERING_PACKAGES,
    bundle_parts,
    changes,
    digest,
    fingerprints,
    lowering_parts,
    reference_parts,
)

IMAGE = Image(width=4, height=4)
INPUT = Input(name="image", dtype="float32", shape=(Dimension(minimum=1, maximum=1),), image=IMAGE)
DATA = Data(role="evaluation", format="npz", options={"path": "test.npz"})
BUDGET = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.9, text="90%", route=("budgets",))
PLAN = camera(inputs=(INPUT,), data=(DATA,), budgets=(BUDGET,))

NEITHER, BUNDLE, LOWERING = "neither", "bundle", "lowering"

OF_A_PLAN: dict[str, tuple[str, Any]] = {
    "name": (BUNDLE, "other"),
    "version": (BUNDLE, "2.0.0"),
    "description": (BUNDLE, "other"),
    "manifest": (BUNDLE, "other.yaml"),
    "manifest_sha256": (BUNDLE, "9" * 64),
    "folder": (LOWERING, "elsewhere"),
    "target": (BUNDLE, replace(PLAN.target, name="other")),
    "model": (LOWERING, Choice(name="timm")),
    "inputs": (LOWERING, (replace(INPUT, name="x"),)),
    "task": (LOWERING, Choice(name="tensor")),
    "labels": (LOWERING, ("1", "0")),
    "data": (LOWERING, ()),
    "recipe": (LOWERING, Choice(name="fp32")),
    "delegates": (LOWERING, (Choice(name="portable"),)),
    "threads": (BUNDLE, 1),
    "budgets": (BUNDLE, ()),
    "files": (LOWERING, {"manifests/weights/camera.safetensors": "9" * 64}),
    "allow_code": (NEITHER, True),  # whether it may be built, not what comes out
    "release": (BUNDLE, False),
    "notes": (NEITHER, ("other",)),  # told by the plan, held by no bundle
    "lowering_key": (NEITHER, ""),  # made from the others
    "search": (BUNDLE, Search(recipes=(), delegates=())),
    "recipe_route": (NEITHER, ("targets", 0, "quantization")),  # for messages
    "delegates_route": (NEITHER, ("targets", 0, "delegate")),
    "target_files": (BUNDLE, {"boards/mine.yaml": "9" * 64}),
}


def keys(plan: Plan) -> tuple[str, str]:
    """The two keys of a plan, made anew."""
    lowering = digest(lowering_parts(plan))
    return lowering, digest(bundle_parts([replace(plan, lowering_key=lowering)], False, False))


def belongs(before: Plan, after: Plan) -> str:
    """Which key tells the two apart; what changes the lowering's changes the bundle's."""
    (one, bundle), (other, another) = keys(before), keys(after)
    assert one == other or bundle != another
    return LOWERING if one != other else BUNDLE if bundle != another else NEITHER


def test_every_field_of_a_plan_has_its_place() -> None:
    assert OF_A_PLAN.keys() == {field.name for field in fields(Plan)}


@pytest.mark.parametrize("name", OF_A_PLAN)
def test_a_field_of_a_plan(name: str) -> None:
    place, value = OF_A_PLAN[name]
    assert getattr(PLAN, name) != value
    assert belongs(PLAN, replace(PLAN, **{name: value})) == place


def other(value: Any) -> Any:
    """A value of the same kind that is another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, tuple):
        return (*value, *value[:1]) if value else ("x",)
    if isinstance(value, dict):
        return {**value, "x": 1}
    return {None: "x"}[value]


PARTS: dict[str, tuple[Any, Callable[[Any], Plan], str]] = {
    "input": (INPUT, lambda part: replace(PLAN, inputs=(part,)), LOWERING),
    "image": (IMAGE, lambda part: replace(PLAN, inputs=(replace(INPUT, image=part),)), LOWERING),
    "dimension": (INPUT.shape[0], lambda part: replace(PLAN, inputs=(replace(INPUT, shape=(part,)),)), LOWERING),
    "data": (DATA, lambda part: replace(PLAN, data=(part,)), LOWERING),
    "recipe": (PLAN.recipe, lambda part: replace(PLAN, recipe=part), LOWERING),
    "delegate": (PLAN.delegates[0], lambda part: replace(PLAN, delegates=(part,)), LOWERING),
    "task": (PLAN.task, lambda part: replace(PLAN, task=part), LOWERING),
    "budget": (BUDGET, lambda part: replace(PLAN, budgets=(part,)), BUNDLE),
    "target": (PLAN.target, lambda part: replace(PLAN, target=part), BUNDLE),
}
ASIDE = {("budget", "route")}
"""Fields that say where something was written: they change nothing."""


@pytest.mark.parametrize(("part", "name"), [(part, field.name) for part in PARTS for field in fields(PARTS[part][0])])
def test_a_field_of_what_a_plan_holds(part: str, name: str) -> None:
    value, put, place = PARTS[part]
    if name == "slice":
        changed = replace(value, slice=Slice(by="class", name="0"))
    elif name == "image":
        changed = replace(value, image=None)
    elif part in ("recipe", "delegate", "task") and name == "name":
        changed = replace(value, name={"recipe": "fp32", "delegate": "portable", "task": "tensor"}[part])
    else:
        changed = replace(value, **{name: other(getattr(value, name))})
    assert belongs(put(value), put(changed)) == (NEITHER if (part, name) in ASIDE else place)


def test_the_model_and_each_of_its_options() -> None:
    for options in ({"name": "resnet18"}, {"name": "mobilenet_v2", "arguments": {"width_mult": 0.5}}, {}):
        assert belongs(PLAN, replace(PLAN, model=Choice(name="torchvision", options=options))) == LOWERING


def test_the_order_of_inputs_and_delegates() -> None:
    second = replace(INPUT, name="second")
    two = replace(PLAN, inputs=(INPUT, second), delegates=(Choice(name="xnnpack"), Choice(name="portable")))
    assert belongs(two, replace(two, inputs=(second, INPUT))) == LOWERING
    assert belongs(two, replace(two, delegates=two.delegates[::-1])) == LOWERING


def test_one_more_file_one_less_and_one_renamed() -> None:
    ((name, sha256),) = PLAN.files.items()
    for files in ({}, {name: sha256, "more": sha256}, {"renamed": sha256}):
        assert belongs(PLAN, replace(PLAN, files=files)) == LOWERING


def test_budgets_that_decide_what_a_recipe_makes_are_read_by_the_lowering() -> None:
    deciding = replace(PLAN, recipe=Choice(name="mixed", options={"sensitivity": True}))
    limit = replace(BUDGET, limit=0.8)
    assert belongs(deciding, replace(deciding, budgets=(limit,))) == LOWERING
    assert belongs(deciding, replace(deciding, budgets=(replace(BUDGET, text="0.9"),))) == BUNDLE
    size = Budget(kind="size", statistic="", sense="max", limit=1.0, text="1B", route=())
    assert belongs(deciding, replace(deciding, budgets=(BUDGET, size))) == BUNDLE


@pytest.mark.parametrize("name", [field.name for field in fields(Target)])
def test_auto_reads_the_architecture_and_the_features_of_a_target(name: str) -> None:
    auto = replace(PLAN, recipe=Choice(name="auto"))
    target = replace(PLAN.target, **{name: other(getattr(PLAN.target, name))})
    assert belongs(auto, replace(auto, target=target)) == (LOWERING if name in ("architecture", "features") else BUNDLE)


AROUND: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "edgec's code": lambda patch: patch.setattr(inputs, "source_digest", lambda: "0"),
    "processor": lambda patch: patch.setattr(inputs, "cpu_name", lambda: "another"),
    "python": lambda patch: patch.setattr(platform, "python_version", lambda: "3.99.0"),
    "edgec's templates": lambda patch: patch.setattr(inputs, "templates_digest", lambda: "0"),
    "zlib": lambda patch: patch.setattr(zlib, "ZLIB_RUNTIME_VERSION", "9"),
    "edgec": lambda patch: patch.setattr(inputs.edgec, "__version__", "9"),
    "processor's cores": lambda patch: patch.setattr(inputs.os, "cpu_count", lambda: 99),
}
OF_THE_LOWERING = ("edgec's code", "processor", "python")


@pytest.mark.parametrize("name", AROUND)
def test_what_is_around_a_build_is_read_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, parts = keys(PLAN), fingerprints({**lowering_parts(PLAN), **bundle_parts([PLAN], False, False)})
    AROUND[name](monkeypatch)
    after, now = keys(PLAN), fingerprints({**lowering_parts(PLAN), **bundle_parts([PLAN], False, False)})
    assert (before[0] != after[0], before[1] != after[1]) == (name in OF_THE_LOWERING, True)
    assert changes(parts, now) == (name,)


@pytest.mark.parametrize("name", [*LOWERING_PACKAGES, *RENDERING_PACKAGES])
def test_the_version_of_every_package_that_takes_part(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, found = keys(PLAN), dict(inputs.installed())
    monkeypatch.setattr(inputs, "installed", lambda: {**found, name: "0.0.0"})
    after = keys(PLAN)
    assert (before[0] != after[0], before[1] != after[1]) == (name in LOWERING_PACKAGES, True)


def test_code_of_the_project_may_import_any_package(monkeypatch: pytest.MonkeyPatch) -> None:
    coded, found = replace(PLAN, model=Choice(name="python", options={"entry": "net:build"})), dict(inputs.installed())
    before = keys(coded), keys(PLAN)
    monkeypatch.setattr(inputs, "installed", lambda: {**found, "some-helper": "1.0"})
    assert keys(coded)[0] != before[0][0] and keys(PLAN) == before[1]


def test_flags_that_change_what_is_told_are_in_the_bundles_key() -> None:
    found = {digest(bundle_parts([PLAN], strict, baseline)) for strict in (False, True) for baseline in (False, True)}
    assert len(found) == 4


def test_eagers_answers_depend_on_neither_recipe_nor_delegate() -> None:
    assert reference_parts(PLAN) == reference_parts(replace(PLAN, recipe=Choice(name="fp32"), delegates=()))
    assert digest(reference_parts(PLAN)) != digest(reference_parts(replace(PLAN, labels=("1", "0"))))


def test_changes_are_named_with_what_is_new_and_gone() -> None:
    before, after = {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9", "d": "4"}
    assert changes(before, after) == ("b", "d (new)", "c (gone)")
    assert changes(before, before) == ()
