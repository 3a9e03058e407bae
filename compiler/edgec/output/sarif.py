"""Diagnostics as SARIF 2.1.0 (OASIS), which code scanners and editors import."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from edgec import __version__
from edgec.artifacts.document import Document
from edgec.codes import CODES
from edgec.diagnostics import Diagnostic, Location
from edgec.output.place import place

_LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def render(diagnostics: Sequence[Diagnostic], documents: Mapping[str, Document]) -> str:
    """Return a SARIF log of one run; columns count Unicode code points, rules are the codes that occur."""
    codes = sorted({found.code for found in diagnostics})
    driver = {"name": "edgec", "version": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, codes, documents) for found in diagnostics],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(code: str) -> dict[str, Any]:
    entry = CODES[code]
    return {"id": code, "shortDescription": {"text": entry.meaning}, "help": {"text": entry.remedy}}


def _result(found: Diagnostic, codes: list[str], documents: Mapping[str, Document]) -> dict[str, Any]:
    text = found.message + (f" ({found.hint})" if found.hint else "")
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": codes.index(found.code),
        "level": _LEVELS[found.severity],
        "message": {"text": text},
        "locations": [_location(found.where, documents)] if found.where and found.where.file else [],
    }
    related = [(text, where) for text, where in found.related if where.file]
    if related:
        result["relatedLocations"] = [{**_location(where, documents), "message": {"text": text}} for text, where in related]
    return result


def _location(where: Location, documents: Mapping[str, Document]) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(os.fsencode(where.file))}}
    span = place(where, documents)
    if span is not None:
        region = {"startLine": span.line, "startColumn": span.column}
        physical["region"] = region | {"endLine": span.end_line, "endColumn": max(span.end_column, 1)}
    return {"physicalLocation": physical}
