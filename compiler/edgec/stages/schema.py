"""The manifest's JSON Schema, from the committed skeleton and the OPTIONS of every registered plugin."""

from __future__ import annotations

import json
from typing import Any

from edgec.artifacts.document import Json
from edgec.registry import Kind, names, plugin
from edgec.resources import resource
from edgec.targets.table import TARGETS

HARDWARE = ("base", "cpu", "cores", "threads", "clock", "memory", "flash", "bandwidth", "glibc")
"""Fields of a manifest's target that say what the device is, and may stand in a target file."""

TARGET_DEFINITIONS = ("target-base", "target-name", "threads", "bytes", "frequency", "bandwidth")

CHOICES: dict[str, Kind] = {"recipe": "recipes", "delegate": "delegates", "metric": "metrics", "task": "tasks"}


def manifest_schema() -> dict[str, Any]:
    """Return the schema of a manifest as edgec now stands; ``schemas/manifest.schema.json`` is its committed copy."""
    schema: dict[str, Any] = json.loads(resource("schemas", "manifest.skeleton.json").read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    _branches(definitions["model"], "source", "sources")
    _branches(definitions["dataset"], "format", "datasets")
    for name, kind in CHOICES.items():
        definitions[name] |= _choice(kind)
    definitions["target-name"] |= {
        "type": "string",
        "enum": list(TARGETS),
        "enumDescriptions": [row.summary for row in TARGETS.values()],
        "x-names": "target",
    }
    definitions["accuracy"]["allOf"] = _scales()
    return schema


def target_schema() -> dict[str, Any]:
    """Return the schema of a target file: what a manifest may say of a device's hardware, and nothing of models."""
    manifest = manifest_schema()
    properties, definitions = manifest["properties"], manifest["$defs"]
    device = definitions["target"]["else"]["properties"]
    return {
        "$schema": manifest["$schema"],
        "title": "edgec target",
        "description": "One device of the project's own, by what is different from a target that edgec knows.",
        "type": "object",
        "required": ["apiVersion", "kind", "name", "base"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": properties["apiVersion"],
            "kind": {"title": "Kind of this file", "description": "What makes it a target file.", "const": "Target"},
            "name": device["name"],
            "description": {**properties["description"], "description": "One line for people.", "examples": []},
            **{key: device[key] for key in HARDWARE},
        },
        "$defs": {key: definitions[key] for key in TARGET_DEFINITIONS},
    }


def schema_text(kind: str = "manifest") -> str:
    """Return the text of ``schemas/manifest.schema.json``, or of ``target.schema.json``."""
    schema = target_schema() if kind == "target" else manifest_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _named(kind: Kind) -> dict[str, Json]:
    return {
        "type": "string",
        "enum": list(names(kind)),
        "enumDescriptions": [plugin(kind, name).SUMMARY for name in names(kind)],
        "x-names": kind.removesuffix("s"),
    }


def _branches(definition: dict[str, Any], key: str, kind: Kind) -> None:
    """Give ``definition`` the names that ``key`` may have and, for each, the keys that go with it."""
    definition["properties"][key] |= _named(kind)
    definition["allOf"] = [
        {
            "if": {"required": [key], "properties": {key: {"const": name}}},
            "then": {
                **_options(kind, name),
                "properties": {key: True, **plugin(kind, name).OPTIONS.get("properties", {})},
            },
        }
        for name in names(kind)
    ]


def _choice(kind: Kind) -> dict[str, Json]:
    """Return the schema of ``NAME`` or ``{name: NAME, options: {...}}``."""
    return {
        "type": ["string", "object"],
        "if": {"type": "object"},
        "then": {
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"title": "Name", **_named(kind)},
                "options": {"title": "Options", "description": "What the named one takes.", "type": "object"},
            },
            "allOf": [
                {
                    "if": {"required": ["name"], "properties": {"name": {"const": name}}},
                    "then": {
                        "properties": {"options": _options(kind, name)},
                        **({"required": ["options"]} if plugin(kind, name).OPTIONS.get("required") else {}),
                    },
                }
                for name in names(kind)
            ],
        },
        "else": {"if": {"type": "string"}, "then": {**_named(kind), **_bare(kind)}},
    }


def _bare(kind: Kind) -> dict[str, Json]:
    """Refuse the bare name of a plugin that cannot do without options."""
    needing = [name for name in names(kind) if plugin(kind, name).OPTIONS.get("required")]
    return {"not": {"enum": needing}} if needing else {}


def _options(kind: Kind, name: str) -> dict[str, Json]:
    return {"title": f"Options of {name}", "additionalProperties": False, **plugin(kind, name).OPTIONS}


def _scales() -> list[Json]:
    """Return the branches that give accuracy limits their unit: percent for shares, plain numbers for the rest."""
    shares = [name for name in names("metrics") if plugin("metrics", name).SHARE]
    others = [name for name in names("metrics") if name not in shares]
    return [
        _limits(", ".join(shares), {"required": ["metric"], "properties": {"metric": _is_one_of(shares)}}, "share"),
        _limits(", ".join(others), {"required": ["metric"], "properties": {"metric": _is_one_of(others)}}, "number"),
        _limits("a metric that is not named", {"not": {"required": ["metric"]}}, "figure"),
    ]


def _is_one_of(names: list[str]) -> Json:
    named = {"type": "object", "required": ["name"], "properties": {"name": {"enum": names}}}
    return {"anyOf": [{"enum": names}, named]}


def _limits(title: str, condition: Json, quantity: str) -> Json:
    limit = {"$ref": f"#/$defs/{quantity}"}
    limits = {"properties": {"min": limit, "max": limit, "max_drop": limit}}
    slices = {"if": {"type": "array"}, "then": {"items": limits}, "else": limits}
    return {"title": title, "if": condition, "then": {"properties": {**limits["properties"], "slices": slices}}}
