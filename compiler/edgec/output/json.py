"""Diagnostics as one JSON object, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgec.artifacts.document import Document, Json
from edgec.diagnostics import Diagnostic, Location
from edgec.output.place import place


def render(diagnostics: Sequence[Diagnostic], documents: Mapping[str, Document], code: int | None = None, **more: Json) -> str:
    """Return ``{"schema", ...more, "exit_code", "diagnostics"}`` as text; the format is ``edgec/diagnostics/v1``.

    ``code`` is the command's exit code; left out, the lowest among the errors.
    """
    lowest = min((found.exit_code for found in diagnostics if found.severity == "error"), default=0)
    data = {
        "schema": "edgec/diagnostics/v1",
        **more,
        "exit_code": lowest if code is None else code,
        "diagnostics": records(diagnostics, documents),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def records(diagnostics: Sequence[Diagnostic], documents: Mapping[str, Document]) -> list[dict[str, Any]]:
    """Return each diagnostic as JSON data; a key without content is null, never left out."""
    return [
        {
            "code": found.code,
            "severity": found.severity,
            "message": found.message,
            "hint": found.hint,
            "exit_code": found.exit_code,
            "where": _where(found.where, documents),
            "related": [{"message": text, "where": _where(where, documents)} for text, where in found.related],
        }
        for found in diagnostics
    ]


def _where(where: Location | None, documents: Mapping[str, Document]) -> dict[str, Any] | None:
    if where is None or not where.file:
        return None
    span = place(where, documents)
    return {
        "file": where.file,
        "route": list(where.route),
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
    }
