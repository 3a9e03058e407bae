"""The options that every command takes, and the one way in which commands print."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, TextIO, TypeVar

import click

from edgec.artifacts.document import Document
from edgec.diagnostics import Diagnostic

Format = Literal["human", "json", "markdown", "github", "sarif"]
Function = TypeVar("Function", bound=Callable[..., Any])
_KEY = "edgec.output"

PROSE = ("human", "markdown")
"""Formats whose result is text alone: diagnostics stand beside it, on standard error."""

JSON = ("json", "sarif")
"""Formats of which every result is JSON."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """How the user wants to be told: data on standard output, progress and failures on standard error."""

    format: Format = "human"
    quiet: bool = False
    no_color: bool = False

    def data(self, text: str) -> None:
        """Print a command's result."""
        self.put(self.ended(text))

    def record(self, text: str) -> None:
        """Print a command's result that is JSON in any format."""
        put(sys.stdout, as_json(self.ended(text), sys.stdout))

    def put(self, text: str) -> None:
        """Write to standard output what is in the format that was asked for."""
        put(sys.stdout, as_json(text, sys.stdout) if self.format in JSON else text)

    def ended(self, text: str) -> str:
        """Return ``text`` with a line break at its end, where there is any text."""
        return text if text.endswith("\n") or not text else text + "\n"

    def as_printed(self) -> tuple[str | bool, ...]:
        """Return all that decides how a result looks."""
        return (self.format, self.quiet, self.colour(sys.stdout), self.colour(sys.stderr))

    def say(self, text: str) -> None:
        """Print a line of progress, unless --quiet; what a terminal might obey is shown as an escape."""
        if not text.isprintable():
            from edgec.output.human import printable

            text = printable(text)
        if not self.quiet:
            put(sys.stderr, f"{text}\n")

    def colour(self, stream: Any) -> bool:
        """Return whether ``stream`` takes colour: a terminal without --no-color, NO_COLOR (no-color.org), TERM=dumb."""
        plain = self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return not plain and bool(stream.isatty())

    def render(self, diagnostics: Sequence[Diagnostic], documents: Mapping[str, Document], stream: Any) -> str:
        """Return ``diagnostics`` in the format that was asked for."""
        if self.format == "json":
            from edgec.output import json

            return json.render(diagnostics, documents)
        if self.format == "github":
            from edgec.output import github

            return github.render(diagnostics, documents)
        if self.format == "sarif":
            from edgec.output import sarif

            return sarif.render(diagnostics, documents)
        from edgec.output import human

        return human.render(diagnostics, documents, self.colour(stream))

    def findings(self, diagnostics: Sequence[Diagnostic], documents: Mapping[str, Document]) -> None:
        """Print ``diagnostics``: on standard error for people, on standard output for programs."""
        if self.format not in PROSE:
            self.put(self.render(diagnostics, documents, sys.stdout))
        elif diagnostics:
            put(sys.stderr, self.render(diagnostics, documents, sys.stderr))


def put(stream: IO[str], text: str = "") -> None:
    """Write ``text`` and flush; when the reader went away (``| head``), nobody hears the rest and nothing else changes.

    Nor does it where standard error takes no more. Raises OSError where standard output does not, a reader's absence aside.
    """
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise
        silence(stream)


def as_json(text: str, stream: TextIO) -> str:
    """Return a JSON text as ``stream`` can carry it: JSON is UTF-8 (RFC 8259, 8.1), and ASCII where the stream is not.

    What is not ASCII stands in strings only, and there JSON has escapes for it.
    """
    if text.isascii() or codecs.lookup(stream.encoding or "utf-8").name == "utf-8":
        return text
    import json

    return "".join(character if character.isascii() else json.dumps(character)[1:-1] for character in text)


def silence(stream: IO[str]) -> None:
    """Let nobody hear the rest, nor what ``stream`` has not got rid of: at exit, Python would fail at that once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def common(*formats: Format) -> Callable[[Function], Function]:
    """Add ``--output`` with these formats, ``--quiet`` and ``--no-color``; a command reads them from ``output()``."""

    def note(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        given = context.meta.setdefault(_KEY, {})
        given[parameter.name] = value
        return value

    def decorate(function: Function) -> Function:
        for option in (
            click.option("--no-color", is_flag=True, expose_value=False, callback=note, help="Print without colour."),
            click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=note, help="Print no progress."),
            click.option(
                "--output",
                "format",
                type=click.Choice(formats),
                default=formats[0],
                show_default=True,
                expose_value=False,
                callback=note,
                is_eager=True,
                help="How to print the result.",
            ),
        ):
            function = option(function)
        return function

    return decorate


def plain_http_options(function: Function) -> Function:
    """Add ``--plain-http`` and ``--insecure-plain-http`` to a command that speaks with a registry."""
    everywhere = "Speak http with any host: whoever is on the way can read and change everything."
    for option in (
        click.option("--insecure-plain-http", is_flag=True, help=everywhere),
        click.option("--plain-http", is_flag=True, help="Speak http, not https, with a registry on this machine."),
    ):
        function = option(function)
    return function


def output(context: click.Context | None = None) -> Output:
    """Return the Output of the command that runs now, as its options say."""
    context = context or click.get_current_context()
    return Output(**context.meta.get(_KEY, {}))


def exit_code(diagnostics: Sequence[Diagnostic], *, strict: bool = False) -> int:
    """Return the lowest exit code among the errors (with ``strict`` also the warnings), 0 without any."""
    fatal = ("error", "warning") if strict else ("error",)
    return min((found.exit_code for found in diagnostics if found.severity in fatal), default=0)
