"""What is wrong in data by a JSON Schema: every unknown key and wrong value, in people's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeAlias

import referencing

from edgec.artifacts.document import Json, Route
from edgec.artifacts.quantity import QuantityError, quantity
from edgec.diagnostics import Diagnostic, Location, nearest
from edgec.registry import Kind, names, plugin
from edgec.upstream.json_schema import Draft202012Validator, ValidationError, validators

MAX_FINDINGS = 100
MAX_KEYS = 20
"""At most this many findings a manifest, and unknown keys a mapping: more help nobody, and near names cost time."""

Error: TypeAlias = Any
"""A jsonschema ValidationError, whose attributes the library's type hints allow to be unset."""

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def against(data: Json, schema: Mapping[str, Any]) -> list[Diagnostic]:
    """Return what is wrong in ``data`` by ``schema``, in the schema's order; files in locations are empty."""
    validator = _VALIDATOR(schema, registry=referencing.Registry())  # an empty registry: no $ref leaves the schema
    errors = islice(validator.iter_errors(data), MAX_FINDINGS)
    return list(dict.fromkeys(finding for error in errors for finding in _findings(error, schema)))[:MAX_FINDINGS]


def _quantity(validator: Any, kind: Any, instance: Json, schema: Any) -> Iterator[ValidationError]:
    """Refuse what is no quantity of that kind (``x-quantity``); the type keyword speaks for what is no scalar."""
    if isinstance(instance, (int, float, str)) and not isinstance(instance, bool):
        try:
            quantity(instance, kind)
        except QuantityError as error:
            found = ValidationError(str(error))
            found.cause = error
            yield found


def _pattern(validator: Any, pattern: str, instance: Json, schema: Any) -> Iterator[ValidationError]:
    r"""JSON Schema's pattern, whose ``$`` in Python would also match before a trailing line break."""
    strict = re.sub(r"(?<!\\)\$$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(strict, instance):
        yield ValidationError(f"does not match {pattern}")


def _is_number(checker: Any, value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(checker: Any, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_VALIDATOR = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"x-quantity": _quantity, "pattern": _pattern},
    # 1.0 is not written for a count, and true is no number.
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer}),
)


def _findings(error: Error, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    route: Route = tuple(error.absolute_path)
    rule = error.validator
    if rule == "additionalProperties":
        yield from _unknown_keys(error, route)
    elif rule == "required":
        yield from _missing_keys(error, route)
    elif rule in ("anyOf", "oneOf"):
        yield from _branches(error, route, schema)
    elif rule in ("const", "enum"):
        yield _not_allowed(error, route)
    elif rule == "type":
        yield _typed(route, _listed(error.validator_value), error.instance, error.schema)
    elif rule == "not":
        yield _needs_options(error, route)
    else:
        yield _wrong_value(error, route)


def _unknown_keys(error: Error, route: Route) -> Iterator[Diagnostic]:
    allowed = list(error.schema.get("properties", {}))
    unknown = [key for key in error.instance if key not in allowed]
    for key in unknown[:MAX_KEYS]:
        near = nearest(key, allowed)
        meant = f"did you mean {near!r}? " if near else ""
        listed = f"allowed here: {', '.join(allowed)}" if allowed else "no key is allowed here"
        if owners := _owners(key, error.schema.get("title", "")):
            meant = f"it is an option of {', '.join(owners)}; "
        within = f" in {_name(route)}" if route else ""
        where = Location(file="", route=(*route, key), on="key")
        yield Diagnostic(code="unknown-key", message=f"unknown key {_echo(key)}{within}", where=where, hint=meant + listed)


def _owners(key: str, title: str) -> list[str]:
    """Return the plugins that have ``key`` as an option, of the kind of the one whose options have this title."""
    kinds: tuple[Kind, ...] = ("delegates", "recipes", "metrics", "tasks")
    kind = next((kind for kind in kinds if title in names(kind)), None)
    return [name for name in names(kind) if key in plugin(kind, name).OPTIONS.get("properties", {})] if kind else []


def _missing_keys(error: Error, route: Route) -> Iterator[Diagnostic]:
    """Report every missing key of a mapping at once; the schema's library yields one error for each."""
    required = error.validator_value
    missing = [key for key in required if key not in error.instance]
    if f"{missing[0]!r} is a required" not in error.message:
        return
    misspelt = _misspelt(error, missing)
    missing = [key for key in missing if key not in misspelt]
    if not missing:
        return
    words = ("key " if len(missing) == 1 else "keys ") + ", ".join(map(repr, missing))
    within = _name(route) if route else "the manifest"
    field = ".".join(key for key in (*route, missing[0]) if isinstance(key, str))
    hint = f"`edgec explain {field}` says what it holds"
    where = Location(file="", route=route, on="key")
    yield Diagnostic(code="missing-key", message=f"{within} lacks the {words}", where=where, hint=hint)


def _misspelt(error: Error, missing: list[str]) -> set[str | None]:
    """Return the missing keys that an unknown key was likely meant to be; that one's finding says so."""
    if error.schema.get("additionalProperties") is not False:
        return set()
    unknown = [key for key in error.instance if key not in error.schema.get("properties", {})]
    return {nearest(key, missing) for key in unknown[:MAX_KEYS]}


def _branches(error: Error, route: Route, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Explain a choice between alternatives by the one that the value most looks like."""
    branches = error.validator_value
    keys = [branch.get("required") for branch in branches]
    if isinstance(error.instance, dict) and all(keys) and not any(set(key) & set(error.instance) for key in keys):
        listed = "one of " + ", ".join(repr(key[0]) for key in keys)
        where = Location(file="", route=route, on="key")
        yield Diagnostic(code="missing-key", message=f"{_name(route)} needs {listed}", where=where)
        return
    grouped: dict[int, list[Error]] = {}
    for inner in error.context or []:
        grouped.setdefault(int(inner.schema_path[0]), []).append(inner)
    fitting = {
        index: found
        for index, found in grouped.items()
        if not any(inner.validator == "type" and not inner.path for inner in found)
    }
    if not fitting:
        yield _no_such_type(error, branches, route)
        return
    best = max(fitting, key=lambda index: (_likeness(branches[index], error.instance), -len(fitting[index])))
    for inner in fitting[best]:
        yield from _findings(inner, schema)


def _likeness(branch: Mapping[str, Any], instance: Json) -> int:
    """Return how many keys of the instance the branch knows."""
    return len(set(branch.get("properties", {})) & set(instance)) if isinstance(instance, dict) else 0


def _no_such_type(error: Error, branches: list[Any], route: Route) -> Diagnostic:
    kinds = [kind for branch in branches for kind in _listed(branch.get("type", []))]
    return _typed(route, kinds, error.instance, error.schema)


def _needs_options(error: Error, route: Route) -> Diagnostic:
    """A bare name whose plugin requires options: the only ``not`` that the schema asserts."""
    message = f"{_name(route)} {_echo(error.instance)} needs options"
    hint = f"write {{name: {error.instance}, options: {{...}}}}; `edgec explain {error.instance}` lists them"
    return Diagnostic(code="missing-key", message=message, where=Location(file="", route=route), hint=hint)


def _typed(route: Route, kinds: list[str], value: Json, schema: Mapping[str, Any]) -> Diagnostic:
    wanted = " or ".join(dict.fromkeys(_TYPES[kind] for kind in kinds))
    message = f"{_name(route)} must be {wanted}, not {_describe(value)}"
    hint = _example(schema)
    if kinds == ["string"] and isinstance(value, (bool, int, float)):
        hint = "quote it to make it a string" + (f"; {hint}" if hint else "")
    return Diagnostic(code="wrong-type", message=message, where=Location(file="", route=route), hint=hint)


def _not_allowed(error: Error, route: Route) -> Diagnostic:
    allowed = _listed(error.validator_value) if error.validator == "enum" else [error.validator_value]
    words = ", ".join(_scalar(item) for item in allowed)
    near = nearest(error.instance, [item for item in allowed if isinstance(item, str)]) if _short(error.instance) else None
    hint = (f"did you mean {_scalar(near)}? " if near and len(allowed) > 1 else "") + f"allowed: {words}"
    kind = error.schema.get("x-names")
    where = Location(file="", route=route)
    if kind and isinstance(error.instance, str):
        noun = {"dataset": "data format"}.get(kind, kind)
        return Diagnostic(code="unknown-name", message=f"unknown {noun} {_echo(error.instance)}", where=where, hint=hint)
    message = f"{_name(route)} cannot be {_echo(error.instance)}"
    return Diagnostic(code="wrong-value", message=message, where=where, hint=hint)


def _wrong_value(error: Error, route: Route) -> Diagnostic:
    where = Location(file="", route=route)
    if isinstance(error.cause, QuantityError):
        message = f"{_name(route)}: {error.cause}"
        return Diagnostic(code="wrong-value", message=message, where=where, hint=error.cause.hint)
    limit = error.validator_value
    reason = {
        "minimum": f"must be at least {limit}",
        "maximum": f"must be at most {limit}",
        "exclusiveMinimum": f"must be above {limit}",
        "exclusiveMaximum": f"must be below {limit}",
        "minItems": f"must have at least {limit} {'entry' if limit == 1 else 'entries'}",
        "maxItems": f"must have at most {limit} entries",
        "minProperties": f"must have at least {limit} {'key' if limit == 1 else 'keys'}",
        "minLength": "must not be empty" if limit == 1 else f"must have at least {limit} characters",
        "maxLength": f"must have at most {limit} characters",
        "pattern": f"cannot be {_echo(error.instance)}",
    }.get(str(error.validator), f"is not valid: {error.message[:200]}")
    shown = f", not {error.instance}" if str(error.validator).endswith("imum") else ""
    hint = error.schema.get("patternErrorMessage") if error.validator == "pattern" else None
    message = f"{_name(route)} {reason}{shown}"
    return Diagnostic(code="wrong-value", message=message, where=where, hint=hint or _example(error.schema))


def _name(route: Route) -> str:
    """Return what people call the place: ``budgets.latency``, ``targets[1].cpu``."""
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in route).lstrip(".")
    return words or "the manifest"


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _short(value: Json) -> bool:
    return isinstance(value, str) and len(value) <= 100


def _echo(value: Json) -> str:
    text = repr(value) if isinstance(value, str) else _scalar(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _scalar(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _describe(value: Json) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {json.dumps(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {_echo(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


def _example(schema: Mapping[str, Any]) -> str | None:
    examples = schema.get("examples")
    return f"write it like {json.dumps(examples[0], ensure_ascii=False)}" if examples else None
