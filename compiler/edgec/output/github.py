"""Diagnostics as GitHub workflow commands, which annotate the lines of a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgec.artifacts.document import Document
from edgec.diagnostics import Diagnostic
from edgec.output.place import place

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(diagnostics: Sequence[Diagnostic], documents: Mapping[str, Document]) -> str:
    """Return one ``::error file=…,line=…,col=…::…`` line for each diagnostic."""
    return "".join(_command(found, documents) + "\n" for found in diagnostics)


def _command(found: Diagnostic, documents: Mapping[str, Document]) -> str:
    properties = {"title": f"edgec {found.code}"}
    span = place(found.where, documents)
    if found.where is not None and found.where.file:
        properties["file"] = found.where.file
    if span is not None:
        properties |= {"line": str(span.line), "col": str(span.column)}
        if span.end_line == span.line:
            properties["endColumn"] = str(span.end_column)
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    text = found.message + (f"\n{found.hint}" if found.hint else "")
    return f"::{_COMMANDS[found.severity]} {listed}::{_data(text)}"


def _data(text: str) -> str:
    """Escape as GitHub's toolkit does (actions/toolkit, packages/core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
