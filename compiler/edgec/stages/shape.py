"""A Document held against the manifest's JSON Schema."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from edgec.artifacts.document import Document, Json
from edgec.artifacts.quantity import quantity
from edgec.diagnostics import Diagnostic, Failure
from edgec.resources import resource

EXACT = 2**53
"""Whole numbers below it are the same to every JSON Schema validator."""


def shape(document: Document, kind: Literal["manifest", "target"] = "manifest") -> None:
    """Raise Failure with all that is wrong in ``document`` by the committed schema of manifests or of target files."""
    if fits(document.data, kind):
        return
    from edgec.stages.misfits import against

    found = against(document.data, _committed(kind))
    if found:
        shown = document.path
        ordered = sorted(found, key=lambda finding: _position(finding, document))
        raise Failure(*(_in_file(finding, shown) for finding in ordered), documents={shown: document})


def fits(data: Json, kind: Literal["manifest", "target"]) -> bool:
    """Return whether ``data`` is by the committed schema, as a validator in Rust sees it: it is there in a third of the time.

    False decides nothing: data that the two may see differently is left to the other (``stages/misfits.py``), which also has
    words for what is wrong.
    """
    if not _plain(data):
        return False
    try:
        valid = bool(_validator(kind).is_valid(data))
    except ValueError:  # text that no UTF-8 can write
        return False
    if _met:
        raise _met.pop()
    return valid


def _plain(data: Json) -> bool:
    """Whether all in ``data`` is JSON's, and no number NaN, infinite or so large that validators round it differently."""
    if isinstance(data, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in data.items())
    if isinstance(data, list):
        return all(_plain(item) for item in data)
    if isinstance(data, (int, float)):
        return abs(data) < EXACT
    return data is None or isinstance(data, str)


@functools.cache
def _validator(kind: str) -> Any:
    import jsonschema_rs

    def strict(schema: dict[str, Any]) -> dict[str, Any]:
        kinds = schema.get("type")
        return {**schema, "x-whole": True} if kinds == "integer" or (isinstance(kinds, list) and "integer" in kinds) else schema

    schema = json.loads(_text(kind), object_hook=strict)
    return jsonschema_rs.validator_for(schema, keywords={"x-quantity": _Quantity, "x-whole": _Whole})


_met: list[BaseException] = []
"""What a keyword met that is no verdict, such as Ctrl-C: the validator takes every exception for one."""


class _Keyword:
    """A keyword of the schema that JSON Schema does not have."""

    def __init__(self, schema: Mapping[str, Any], given: Any, path: Any) -> None:
        self.given = given

    def validate(self, instance: Json) -> None:
        """Raise ValueError where ``instance`` is not as the keyword has it."""
        try:
            self.check(instance)
        except ValueError:
            raise
        except BaseException as error:
            _met.append(error)
            raise

    def check(self, instance: Json) -> None:
        raise NotImplementedError


class _Whole(_Keyword):
    """``x-whole``, on the schema's counts: 1.0 is not written for one."""

    def check(self, instance: Json) -> None:
        if isinstance(instance, float):
            raise ValueError(instance)


class _Quantity(_Keyword):
    """``x-quantity``: a scalar is a quantity of that kind."""

    def check(self, instance: Json) -> None:
        if isinstance(instance, (int, float, str)) and not isinstance(instance, bool):
            quantity(instance, self.given)


@functools.cache
def _committed(kind: str) -> Json:
    """The committed schema, read once: nothing changes it."""
    return json.loads(_text(kind))


def _text(kind: str) -> str:
    return resource("schemas", f"{kind}.schema.json").read_text(encoding="utf-8")


def _position(finding: Diagnostic, document: Document) -> tuple[int, int]:
    route = finding.where.route if finding.where else ()
    span = document.values.get(route) or document.keys.get(route)
    return (span.line, span.column) if span else (0, 0)


def _in_file(finding: Diagnostic, path: str) -> Diagnostic:
    assert finding.where is not None
    return replace(finding, where=replace(finding.where, file=path))
