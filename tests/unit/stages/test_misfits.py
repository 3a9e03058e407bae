"""stages.misfits: what the schema refuses, said once, at the right place; the fast validator takes nothing of that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.artifacts.document import Document, Json
from edgec.diagnostics import Failure
from edgec.resources import resource
from edgec.stages.misfits import MAX_FINDINGS, against
from edgec.stages.shape import fits, shape

FULL = Path(__file__).parents[2] / "cases" / "valid" / "full" / "manifest.yaml"
SCHEMA = json.loads(resource("schemas", "manifest.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def manifest() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(FULL.read_text(encoding="utf-8"))
    data["task"]["options"]["labels"] = ["no", "yes"]
    data["inputs"][0]["image"]["mean"] = [0.5, 0, 0.5]
    return data


def found(data: Json) -> list[tuple[str, tuple[str | int, ...]]]:
    findings = [(item.code, item.where.route) for item in against(data, SCHEMA) if item.where]
    assert not (findings and fits(data, "manifest"))
    return findings


def test_the_full_manifest_has_the_shape(manifest: dict[str, Any]) -> None:
    assert found(manifest) == []


@pytest.mark.parametrize("data", [None, [], "x", 1, True, {}])
def test_what_is_no_manifest_is_one_finding(data: Json) -> None:
    assert len(found(data)) == 1


def test_the_fast_validator_takes_what_is_right(manifest: dict[str, Any]) -> None:
    assert fits(manifest, "manifest")


def test_an_interrupt_is_no_verdict(manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgec.stages.shape.quantity", interrupted)
    manifest["budgets"] = {"latency": {"p50": "1ms"}}
    with pytest.raises(KeyboardInterrupt):
        fits(manifest, "manifest")
    monkeypatch.undo()
    assert fits(manifest, "manifest")


WHOLE = [("targets",), ("runtime", "threads"), ("data", "calibration", "samples"), ("inputs", 1, "shape", 0)]


@pytest.mark.parametrize("route", WHOLE)
@pytest.mark.parametrize("value", [1.0, True, 2**64, -1, 0.5])
def test_the_fast_validator_takes_no_other_count(manifest: dict[str, Any], route: Any, value: Json) -> None:
    manifest["inputs"].append({"name": "x", "shape": [1, 2], "dtype": "float32"})
    node: Any = manifest
    for key in route[:-1]:
        node = node[key]
    node[route[-1]] = value
    assert fits(manifest, "manifest") <= (not against(manifest, SCHEMA))


@pytest.mark.parametrize("limit", ["100 ms", "100 milliseconds", "fast", 2**70, float("nan"), float("inf"), "1\n", "\ud800"])
def test_both_validators_know_quantities(manifest: dict[str, Any], limit: Json) -> None:
    manifest["budgets"] = {"latency": {"p50": limit}}
    assert fits(manifest, "manifest") <= (not against(manifest, SCHEMA))


def test_a_trailing_line_break_is_refused(manifest: dict[str, Any]) -> None:
    manifest["name"] = "cam\n"
    assert found(manifest) == [("wrong-value", ("name",))]


@pytest.mark.parametrize(
    ("given", "code"), [(True, "wrong-type"), (1.0, "wrong-type"), (0, "wrong-value"), ("4", "wrong-type")]
)
def test_threads_are_whole_numbers(manifest: dict[str, Any], given: Json, code: str) -> None:
    manifest["runtime"]["threads"] = given
    assert found(manifest) == [(code, ("runtime", "threads"))]


@pytest.mark.parametrize(
    "recipe",
    [
        "int8",
        {"recipe": "int8"},
        {"recipe": {"name": "int8"}},
        {"name": "int8"},
        {"recipe": {"name": "int8", "options": {}}},
    ],
)
def test_every_way_to_name_a_recipe(manifest: dict[str, Any], recipe: Json) -> None:
    manifest["quantization"] = recipe
    assert found(manifest) == []


@pytest.mark.parametrize(
    "name", ["xnnpack", {"name": "xnnpack"}, {"name": "xnnpack", "options": {}}, ["xnnpack", {"name": "portable"}]]
)
def test_every_way_to_name_delegates(manifest: dict[str, Any], name: Json) -> None:
    manifest["delegate"] = name
    assert found(manifest) == []


def test_an_unknown_source_gives_no_noise_about_its_keys(manifest: dict[str, Any]) -> None:
    manifest["model"] = {"source": "onnx", "anything": 1}
    assert found(manifest) == [("unknown-name", ("model", "source"))]


def test_an_unknown_metric_gives_no_noise_about_its_unit(manifest: dict[str, Any]) -> None:
    manifest["budgets"] = {"accuracy": {"metric": "psnr", "min": 20}}
    assert found(manifest) == [("unknown-name", ("budgets", "accuracy", "metric"))]


def test_all_findings_come_at_once_in_the_order_of_the_text() -> None:
    document = Document(path="m.yaml", text="", data={"b": 1, "a": 1, "name": 5})
    with pytest.raises(Failure) as caught:
        shape(document)
    assert sorted(item.code for item in caught.value.diagnostics) == [
        "missing-key",
        "unknown-key",
        "unknown-key",
        "wrong-type",
    ]


def test_floods_are_cut_short(manifest: dict[str, Any]) -> None:
    manifest["targets"] = [1] * 64
    manifest["inputs"] = [{"nonsense": 1}] * 10_000
    manifest |= {f"key{index}": 1 for index in range(20_000)}
    assert 0 < len(found(manifest)) <= MAX_FINDINGS


def test_no_reference_leaves_the_schema() -> None:
    outside = {"$ref": "file:///etc/hostname"}
    with pytest.raises(Exception, match="Unresolvable"):
        against({}, outside)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def routes(data: Json, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [here, *(route for key, item in below for route in routes(item, (*here, key)))]


@settings(max_examples=200, deadline=None)
@given(st.data(), PLAIN)
def test_any_value_anywhere_is_taken_or_explained(data: st.DataObject, value: Json) -> None:
    manifest = yaml.safe_load(FULL.read_text(encoding="utf-8"))
    *parents, last = data.draw(st.sampled_from([route for route in routes(manifest) if route]))
    node = manifest
    for key in parents:
        node = node[key]
    node[last] = value
    findings = against(manifest, SCHEMA)
    assert not (findings and fits(manifest, "manifest"))
    for item in findings:
        assert "is not valid under" not in item.message and item.where is not None
