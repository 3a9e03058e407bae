"""checks: what no committed plugin or target shows yet, with a delegate that does less and a target that has less."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgec.artifacts.project import Project
from edgec.checks import delegate_on_target, input_twice, recipe_on_delegate, target_within_means, types_on_target
from edgec.checks.places import rooted
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.registry import plugin
from edgec.stages.parse import parse
from edgec.stages.read import read
from edgec.targets.table import TARGETS

FULL = Path(__file__).parents[2] / "cases" / "valid" / "full" / "manifest.yaml"
PROJECT = Project(root=FULL.parent, folder=FULL.parent)


def test_a_delegate_must_run_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = parse(read(FULL, "m.yaml"))
    assert recipe_on_delegate.check(manifest, PROJECT) == []
    monkeypatch.setattr(plugin("delegates", "xnnpack"), "RECIPES", ("fp32",))
    found = recipe_on_delegate.check(manifest, PROJECT)
    assert [item.where.route for item in found if item.where] == [("quantization",), ("targets", 1, "quantization")]
    assert {item.code for item in found} == {"does-not-fit"} and found[0].hint == "recipes of xnnpack: fp32"


def test_a_delegate_must_exist_on_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = parse(read(FULL, "m.yaml"))
    assert delegate_on_target.check(manifest, PROJECT) == []
    nano = TARGETS["jetson-nano"]
    monkeypatch.setitem(TARGETS, "jetson-nano", replace(nano, delegates=("portable",)))
    found = delegate_on_target.check(manifest, PROJECT)
    assert [item.where.route for item in found if item.where] == [("targets", 0), ("targets", 1)]
    assert found[1].related[0][1].route == ("targets", 1, "delegate")


def test_an_input_is_of_a_type_that_each_targets_bundle_takes() -> None:
    manifest = parse(read(FULL, "m.yaml"))
    linux, truth = manifest.targets[0], replace(manifest.inputs[0], dtype="bool", image=None)
    apps = tuple(replace(linux, base=base) for base in ("android-arm64", "ios", "macos-arm64"))
    manifest = replace(manifest, inputs=(truth,), targets=(linux, *apps))
    found = types_on_target.check(manifest, PROJECT)
    assert [item.where and item.where.route for item in found] == [("inputs", 0, "dtype")] * 3
    assert types_on_target.check(replace(manifest, inputs=(replace(truth, dtype="uint8"),)), PROJECT) == []


def test_the_types_that_a_manifest_may_name_are_its_schemas() -> None:
    schema = (Path(__file__).parents[3] / "schemas" / "manifest.schema.json").read_text()
    (listed,) = set(re.findall(r'"title": "Element type",\s+"type": "string",\s+"enum": \[([^]]*)]', schema))
    assert tuple(re.findall(r"\w+", listed)) == types_on_target.NAMED


def test_a_plugins_findings_are_placed_below_its_node() -> None:
    def fails() -> list[Diagnostic]:
        inside = Diagnostic(code="wrong-value", message="m", where=Location(file="", route=("path",)))
        nowhere = Diagnostic(code="wrong-value", message="m")
        elsewhere = Diagnostic(code="wrong-value", message="m", where=Location(file="labels.txt", line=3))
        raise Failure(inside, nowhere, elsewhere)

    routes = [item.where and item.where.route for item in rooted(("data", "evaluation"), fails)]
    assert routes == [("data", "evaluation", "path"), ("data", "evaluation"), ()]


def test_a_memory_budget_that_a_targets_own_replaces_is_not_warned_of() -> None:
    manifest = parse(read(FULL, "m.yaml"))
    general = next(budget for budget in manifest.budgets if budget.kind == "memory")
    huge = replace(general, limit=1e15, text="1PB")
    manifest = replace(manifest, budgets=(huge,), targets=manifest.targets[:1])
    (target,) = manifest.targets
    (warning,) = target_within_means.check(manifest, PROJECT)
    assert warning.where is not None and warning.where.route == general.route

    own = replace(manifest, targets=(replace(target, budgets=(general,)),))
    assert target_within_means.check(own, PROJECT) == []
    kept = replace(manifest, targets=(replace(target, budgets=(replace(general, kind="size"),)),))
    assert target_within_means.check(kept, PROJECT) == [warning]
    larger = replace(huge, route=("targets", 0, "budgets", "memory"))
    own = replace(manifest, targets=(replace(target, budgets=(larger,)),))
    assert [item.where and item.where.route for item in target_within_means.check(own, PROJECT)] == [larger.route]


def test_an_input_called_label_would_be_the_truth_of_an_npz_file() -> None:
    manifest = parse(read(FULL, "m.yaml"))
    manifest = replace(manifest, inputs=(replace(manifest.inputs[0], name="label"),))
    assert input_twice.check(manifest, PROJECT) == []
    fed = replace(manifest, data=(manifest.data[0], replace(manifest.data[1], format="npz")))
    (finding,) = input_twice.check(fed, PROJECT)
    assert finding.code == "does-not-fit" and "'label'" in finding.message
    assert finding.where is not None and finding.where.route == ("inputs", 0, "name")
    assert finding.related[0][1].route == ("data", fed.data[1].role, "format")
