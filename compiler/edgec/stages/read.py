"""A YAML file to a Document: plain data, the place of every key and value, and nothing that YAML can hide."""

from __future__ import annotations

import errno
import math
import re
from pathlib import Path
from typing import Any

import yaml

from edgec.artifacts.document import Document, Json, Route, Span
from edgec.diagnostics import Diagnostic, Failure, Location, nearest

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
TOO_DEEP = "exceeded maximum nesting depth"
"""What libyaml from 0.2.6 on says, of 1,000 levels, before it gives the events of the first."""
MAX_FINDINGS = 50
MAX_INTEGER_DIGITS = 18
NO_FILE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)

# Control characters, line and paragraph separators, surrogates, and the characters that reorder text (Trojan Source).
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_RAW_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

# YAML 1.2.2 section 10.3.2, core schema.
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read(path: Path, shown: str) -> Document:
    """Return the Document in the file ``path``, which messages call ``shown``.

    Raises Failure with every ``yaml-…`` problem that one pass finds, or ``no-manifest`` when there is no such file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        raise Failure(
            Diagnostic(code="no-manifest", message=f"{shown} is not a file", hint=_neighbour(path))
        ) from error
    return read_bytes(content, shown)


def read_bytes(content: bytes, shown: str) -> Document:
    """Return the Document in ``content``, as ``read`` does."""
    text = _text(content, shown)
    reader = _Reader(text, shown)
    data = reader.document()
    document = Document(path=shown, text=text, data=data, values=reader.values, keys=reader.keys)
    if reader.findings:
        raise Failure(*reader.findings, documents={shown: document})
    return document


def _neighbour(path: Path) -> str | None:
    try:
        near = nearest(path.name, (entry.name for entry in path.parent.iterdir() if entry.name != path.name))
    except OSError:
        return None
    return f"did you mean {path.with_name(near)}?" if near else None


def _text(content: bytes, shown: str) -> str:
    """Return ``content`` as text; raises Failure when it is too long, not UTF-8, or holds control characters."""
    if len(content) > MAX_BYTES:
        raise Failure(
            Diagnostic(
                code="yaml-size",
                message=f"the file is larger than {MAX_BYTES // 1024} KiB",
                where=Location(file=shown, line=1, column=1),
                hint="a manifest names its data and weights by path; it does not hold them",
            )
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        where = _location(before, len(before), shown)
        found = f"byte 0x{content[error.start]:02x} is not UTF-8"
        hint = "save the file as UTF-8"
        shown_text = Document(path=shown, text=content.decode("utf-8-sig", errors="replace"), data=None)
        raise Failure(
            Diagnostic(code="yaml-encoding", message=found, where=where, hint=hint), documents={shown: shown_text}
        ) from error
    hidden = [_raw_hidden(text, match, shown) for match in _RAW_HIDDEN.finditer(text)]
    if hidden:
        raise Failure(*hidden[:MAX_FINDINGS], documents={shown: Document(path=shown, text=text, data=None)})
    return text


def _raw_hidden(text: str, match: re.Match[str], shown: str) -> Diagnostic:
    message = f"the file holds the control character U+{ord(match[0]):04X}"
    return Diagnostic(code="yaml-character", message=message, where=_location(text, match.start(), shown))


def _location(text: str, index: int, shown: str) -> Location:
    line = text.count("\n", 0, index) + 1
    return Location(file=shown, line=line, column=index - (text.rfind("\n", 0, index) + 1) + 1)


class _StopError(Exception):
    """Reading cannot go on; what was found so far is kept."""


class _Reader:
    """Walks a parser's events once, building plain data and collecting every finding on the way."""

    def __init__(self, text: str, shown: str) -> None:
        self._events = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        self._shown = shown
        self.findings: list[Diagnostic] = []
        self.values: dict[Route, Span] = {}
        self.keys: dict[Route, Span] = {}

    def document(self) -> Json:
        """Return the only document's data; None when it is empty or reading had to stop."""
        data: Json = None
        try:
            self._next()  # the start of the stream
            event = self._next()
            if isinstance(event, yaml.DocumentStartEvent):
                self._directives(event)
                data = self._node(self._next(), (), 0)
                self._next()  # the end of the document
                event = self._next()
            if isinstance(event, yaml.DocumentStartEvent):
                self._report("yaml-documents", "a second document starts here", event, "one file holds one manifest")
        except _StopError:
            return None
        finally:
            self._events.dispose()
        return data

    def _next(self) -> Any:
        try:
            return self._events.get_event()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = Location(file=self._shown, line=mark.line + 1, column=mark.column + 1) if mark else None
            context = f" {error.context}" if error.context else ""
            code, message = "yaml-syntax", f"this is not YAML: {error.problem}{context}"
            if error.problem == TOO_DEEP:
                code, message = "yaml-depth", f"this is nested more than {MAX_DEPTH} deep"
            self.findings.append(Diagnostic(code=code, message=message, where=where))
            raise _StopError from error
        except yaml.YAMLError as error:  # the reader's own, without a mark: a character that YAML refuses
            found = Diagnostic(code="yaml-syntax", message=f"this is not YAML: {str(error).splitlines()[0]}")
            self.findings.append(found)
            raise _StopError from error

    def _report(self, code: str, message: str, event: Any, hint: str | None = None, first: Route | None = None) -> None:
        where = self._at(_span(event.start_mark, event.end_mark))
        related = (("it stands here first", self._at(self.keys[first])),) if first is not None else ()
        self.findings.append(Diagnostic(code=code, message=message, where=where, hint=hint, related=related))
        if len(self.findings) >= MAX_FINDINGS:
            raise _StopError

    def _at(self, span: Span) -> Location:
        end = span.end_column if span.end_line == span.line else None
        return Location(file=self._shown, line=span.line, column=span.column, end_column=end)

    def _directives(self, event: Any) -> None:
        if event.tags:
            self._report("yaml-tag", "a manifest has no %TAG directive", event)

    def _node(self, event: Any, route: Route, depth: int) -> Json:
        """Return the data of the node that ``event`` starts, and remember its span."""
        if isinstance(event, yaml.AliasEvent):
            self._report("yaml-alias", f"a manifest has no aliases, and *{event.anchor} is one", event, "write it out")
            return None
        if event.anchor:
            self._report("yaml-alias", f"a manifest has no anchors, and &{event.anchor} is one", event, "leave it out")
        if event.tag is not None:
            self._report("yaml-tag", f"a manifest has no tags, and {event.tag!r} is one", event, "leave it out")
        if isinstance(event, yaml.ScalarEvent):
            self.values[route] = _span(event.start_mark, event.end_mark)
            return self._scalar(event)
        if depth >= MAX_DEPTH:
            self._report("yaml-depth", f"this is nested more than {MAX_DEPTH} deep", event)
            raise _StopError
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, route, depth)
        return self._mapping(event, route, depth)

    def _sequence(self, start: Any, route: Route, depth: int) -> list[Json]:
        items: list[Json] = []
        event = self._next()
        while not isinstance(event, yaml.SequenceEndEvent):
            items.append(self._node(event, (*route, len(items)), depth + 1))
            event = self._next()
        self.values[route] = _span(start.start_mark, event.end_mark)
        return items

    def _mapping(self, start: Any, route: Route, depth: int) -> dict[str, Json]:
        entries: dict[str, Json] = {}
        event = self._next()
        while not isinstance(event, yaml.MappingEndEvent):
            key = self._key(event, route, depth)
            twice = key in entries
            if twice:
                self._report("yaml-duplicate-key", f"the key {key!r} stands here twice", event, first=(*route, key))
            else:
                self.keys[(*route, key)] = _span(event.start_mark, event.end_mark)
            value = self._node(self._next(), (*route, key), depth + 1)
            if not twice:
                entries[key] = value
            event = self._next()
        self.values[route] = _span(start.start_mark, event.end_mark)
        return entries

    def _key(self, event: Any, route: Route, depth: int) -> str:
        """Return a key; one that is no string is reported and stands in under a name that no manifest has."""
        key = self._node(event, (*route, " key"), depth + 1)
        self.values.pop((*route, " key"), None)
        if isinstance(key, str):
            return key
        if isinstance(event, yaml.ScalarEvent) and event.value:
            self._report("yaml-key", f"the key {event.value} is not a string", event, f'write "{event.value}"')
        elif not isinstance(event, yaml.AliasEvent):
            self._report("yaml-key", "this key is not a string", event)
        return f" {event.start_mark.line}:{event.start_mark.column}"

    def _scalar(self, event: Any) -> Json:
        value: str = event.value
        hidden = _HIDDEN.search(value)
        if hidden:
            self._hidden(hidden[0], event)
        if not event.implicit[0]:  # quoted or block: a string
            return value
        if _NOT_FINITE.fullmatch(value):
            self._report("yaml-number", f"{value} is not a finite number", event)
            return 0
        return self._number(event) if _FLOAT.fullmatch(value) or _INTEGER.fullmatch(value) else _word(value)

    def _hidden(self, character: str, event: Any) -> None:
        if character == "\n":
            hint = "write it on one line; `>-` folds several lines into one without a line break at the end"
            self._report("yaml-character", "this string holds a line break", event, hint)
        else:
            message = f"this string holds the control character U+{ord(character):04X}"
            self._report("yaml-character", message, event)

    def _number(self, event: Any) -> int | float:
        text: str = event.value
        if not _INTEGER.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
        elif text[:2] in ("0o", "0x") and len(text) <= MAX_INTEGER_DIGITS:
            return int(text, 0)
        elif len(text.lstrip("+-0")) <= MAX_INTEGER_DIGITS:
            return int(text)
        self._report("yaml-number", f"the number {text[:40]} is too large", event)
        return 0


def _word(text: str) -> Json:
    if _NULL.fullmatch(text):
        return None
    return text.lower() == "true" if _BOOL.fullmatch(text) else text


def _span(start: Any, end: Any) -> Span:
    return Span(line=start.line + 1, column=start.column + 1, end_line=end.line + 1, end_column=end.column + 1)
