"""The manifest's JSON Schema to its fields by dotted path, each with what a person needs to write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgec.artifacts.document import Json

TYPES = {
    "object": "mapping",
    "array": "list",
    "string": "string",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: ``path`` as ``budgets.latency.p90``, ``within`` the plugins that it belongs to, or ``""``."""

    path: str
    within: str
    title: str
    description: str
    kinds: tuple[str, ...]
    allowed: tuple[Json, ...]
    required: bool
    default: Json = None
    has_default: bool = False
    examples: tuple[Json, ...] = ()


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """Return every field of the manifest in the schema's order; list entries count as their list."""
    found = dict.fromkeys(_walk(schema, schema, "", ""))
    return list(found)


def _walk(node: Mapping[str, Any], schema: Mapping[str, Any], path: str, within: str) -> Iterator[Field]:
    node = _resolved(node, schema)
    for name, child in node.get("properties", {}).items():
        if isinstance(child, Mapping):
            below = f"{path}.{name}".lstrip(".")
            resolved = _resolved(child, schema)
            if resolved.keys() & {"title", "description", "type"}:
                yield _field(below, within, resolved, name in node.get("required", ()))
            yield from _walk(child, schema, below, within)
    for branch, label in _branches(node):
        yield from _walk(branch, schema, path, label or within)


def _branches(node: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the sub-schemas that speak of the same place, with the plugin's name where one is chosen by it, or their title."""
    for key in ("then", "else", "items"):
        if isinstance(node.get(key), Mapping):
            yield node[key], ""
    for branch in node.get("allOf", ()):
        chosen = [value["const"] for value in branch.get("if", {}).get("properties", {}).values() if "const" in value]
        if "then" in branch:
            yield branch["then"], chosen[0] if chosen else branch.get("title", "")


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``node`` with its ``$ref`` filled in; what stands beside the reference wins."""
    while "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        node = {**schema["$defs"][name], **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _field(path: str, within: str, node: Mapping[str, Any], required: bool) -> Field:
    kinds = node.get("type", ())
    allowed = tuple(node["enum"]) if "enum" in node else (node["const"],) if "const" in node else ()
    named = node.get("else", {}).get("then", {}).get("enum", ()) if not allowed else ()
    return Field(
        path=path,
        within=within,
        title=node.get("title", ""),
        description=node.get("description", ""),
        kinds=tuple(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)),
        allowed=allowed or tuple(named),
        required=required,
        default=_frozen(node.get("default")),
        has_default="default" in node,
        examples=tuple(_frozen(example) for example in node.get("examples", ())),
    )


def _frozen(value: Json) -> Json:
    """Return ``value`` as JSON text where it is a list or a mapping, so that a Field can be compared and hashed."""
    import json

    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
