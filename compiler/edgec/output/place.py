"""Where a diagnostic stands in the text of its file: a route or a line and column, to a Span."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.artifacts.document import Document, Span
from edgec.diagnostics import Location


def place(where: Location | None, documents: Mapping[str, Document]) -> Span | None:
    """Return the Span that ``where`` means, or None when only a file (or nothing) is known.

    A route that the text does not hold (a default, a shorthand) leads to its nearest ancestor that it does.
    """
    if where is None:
        return None
    if where.line is not None:
        column = where.column or 1
        return Span(line=where.line, column=column, end_line=where.line, end_column=where.end_column or column + 1)
    document = documents.get(where.file)
    if document is None:
        return None
    for length in range(len(where.route), 0, -1):
        route = where.route[:length]
        whole = length == len(where.route)
        first, second = (document.keys, document.values) if where.on == "key" or not whole else (document.values, document.keys)
        found = first.get(route) or second.get(route)
        if found is not None:
            return found if found.line == found.end_line else document.keys.get(route, found)
    return _top(document)


def _top(document: Document) -> Span:
    """The first key, or the start of the file."""
    start = document.values.get(())
    line, column = (start.line, start.column) if start else (1, 1)
    return Span(line=line, column=column, end_line=line, end_column=column)
