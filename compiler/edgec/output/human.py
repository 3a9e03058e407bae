"""Diagnostics as people read them in a terminal: what, where, the line itself, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgec.artifacts.document import Document, Span
from edgec.diagnostics import Diagnostic, Location
from edgec.output.place import place
from edgec.output.table import width

MAX_WIDTH = 160
_COLOURS = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "note": "\x1b[1;36m",
    "frame": "\x1b[1;34m",
    "bold": "\x1b[1m",
}


def render(diagnostics: Sequence[Diagnostic], documents: Mapping[str, Document], colour: bool = False) -> str:
    """Return the text for ``diagnostics``, one block each with a blank line between; "" for none."""
    return "\n".join(_block(diagnostic, documents, colour) for diagnostic in diagnostics)


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """Return how many errors and warnings there are, such as ``2 errors, 1 warning``; "" for neither."""
    counts = {kind: sum(found.severity == kind for found in diagnostics) for kind in ("error", "warning")}
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count)


def _block(diagnostic: Diagnostic, documents: Mapping[str, Document], colour: bool) -> str:
    kind = diagnostic.severity
    head = _paint(f"{kind}[{diagnostic.code}]", kind, colour) + _paint(f": {printable(diagnostic.message)}", "bold", colour)
    lines = [head, *_excerpt(diagnostic.where, documents, kind, colour)]
    for text, where in diagnostic.related:
        lines.append(f"   {_paint('=', 'frame', colour)} note: {printable(text)}")
        lines += _excerpt(where, documents, "note", colour)
    if diagnostic.hint:
        first, *more = diagnostic.hint.split("\n")
        lines.append(f"   {_paint('=', 'frame', colour)} help: {printable(first)}")
        lines += [f"     {printable(line)}".rstrip() for line in more]
    return "\n".join(lines) + "\n"


def _excerpt(where: Location | None, documents: Mapping[str, Document], kind: str, colour: bool) -> list[str]:
    """Return ``--> file:line:column`` and, where the text is known, its line with carets below."""
    if where is None or not where.file:
        return []
    span = place(where, documents)
    at = f"{where.file}:{span.line}:{span.column}" if span else where.file
    lines = [f"  {_paint('-->', 'frame', colour)} {printable(at)}"]
    text = _line(documents.get(where.file), span)
    if span is None or text is None:
        return lines
    number = str(span.line)
    bar = _paint("|", "frame", colour)
    gutter = " " * len(number)
    shown, carets = _window(text, span)
    lines += [f" {gutter} {bar}", f" {_paint(number, 'frame', colour)} {bar} {shown}".rstrip()]
    lines.append(f" {gutter} {bar} {carets[: len(carets) - len(carets.lstrip())]}{_paint(carets.lstrip(), kind, colour)}")
    return lines


def _line(document: Document | None, span: Span | None) -> str | None:
    if document is None or span is None:
        return None
    lines = document.text.splitlines()
    return lines[span.line - 1] if span.line <= len(lines) else ""


def _window(text: str, span: Span) -> tuple[str, str]:
    """Return the part of the line around the span, at most MAX_WIDTH characters of it, and carets under the span."""
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(text)
    offset = 0 if len(text) <= MAX_WIDTH else max(0, min(start - MAX_WIDTH // 4, len(text) - MAX_WIDTH))
    before, under, after = (
        printable(part.replace("\t", " "))
        for part in (text[offset:start], text[start : min(end, offset + MAX_WIDTH)], text[max(start, end) : offset + MAX_WIDTH])
    )
    return before + under + after, " " * width(before) + "^" * max(1, width(under))


def printable(text: str) -> str:
    """Return ``text`` with everything that a terminal might obey or hide shown as an escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii") for character in text
    )


def _paint(text: str, style: str, colour: bool) -> str:
    return f"{_COLOURS[style]}{text}\x1b[0m" if colour and text else text
