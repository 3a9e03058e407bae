"""Everything in the plugin folders is registered, and has what its protocol and the schema's generator ask for."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from edgec import protocols
from edgec.checks import truth_fits
from edgec.registry import REGISTRY, Kind, names, plugin
from edgec.targets.table import TARGETS

SOURCE = Path(__file__).parents[2] / "compiler" / "edgec"
PROTOCOLS = {
    "sources": protocols.Source,
    "datasets": protocols.Dataset,
    "recipes": protocols.Recipe,
    "delegates": protocols.Delegate,
    "metrics": protocols.Metric,
    "tasks": protocols.Task,
}
PLUGINS = [(kind, name) for kind in get_args(Kind) for name in names(kind)]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_plugin_file_is_registered(kind: Kind) -> None:
    files = {f"edgec.{kind}.{path.stem}" for path in (SOURCE / kind).glob("*.py") if path.stem != "__init__"}
    plugins = {name for name in files if hasattr(importlib.import_module(name), "OPTIONS")}
    assert plugins == set(REGISTRY[kind].values())


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_a_plugin_has_what_its_protocol_names(kind: Kind, name: str) -> None:
    module, protocol = plugin(kind, name), PROTOCOLS[kind]
    constants = {key for base in protocol.__mro__ for key in getattr(base, "__annotations__", {})}
    functions = {key: value for key, value in vars(protocol).items() if inspect.isfunction(value) and key[0] != "_"}
    assert not {key for key in constants if not hasattr(module, key)}
    for key, declared in functions.items():
        if key == "__init__":
            continue
        assert callable(getattr(module, key, None)), f"{name} has no function {key}"
        expected = [parameter for parameter in inspect.signature(declared).parameters if parameter != "self"]
        actual = inspect.signature(getattr(module, key)).parameters
        assert list(actual) == expected, f"{name}.{key}"
        assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in actual.values())


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_options_are_a_closed_schema_that_explains_itself(kind: Kind, name: str) -> None:
    options = plugin(kind, name).OPTIONS
    jsonschema.Draft202012Validator.check_schema(options)
    assert options["type"] == "object" and options["additionalProperties"] is False
    for key, option in options.get("properties", {}).items():
        assert option.get("title") and option.get("description"), f"{name}.{key} says nothing about itself"


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_names_are_written_as_people_type_them(kind: Kind, name: str) -> None:
    assert name == name.lower() and "_" not in name and "\n" not in plugin(kind, name).SUMMARY


def test_what_plugins_name_is_registered() -> None:
    for name in names("delegates"):
        assert set(plugin("delegates", name).RECIPES) <= set(names("recipes"))
    for name in names("tasks"):
        assert set(plugin("tasks", name).METRICS) <= set(names("metrics"))
    given = {kind for name in names("datasets") for kind in plugin("datasets", name).TRUTHS}
    assert given == {plugin("tasks", name).TRUTH for name in names("tasks")} - {""} == set(truth_fits.WORDS)
    for row in TARGETS.values():
        assert set(row.delegates) <= set(names("delegates"))
