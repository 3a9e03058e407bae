"""What went wrong, in one record that every renderer can show; and the exception that carries such records."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edgec.artifacts.document import Document
from edgec.codes import CODES

Severity = Literal["error", "warning", "note"]
Key = str | int


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place in a file: a symbolic route of keys and indices, or a line and column where no route exists.

    A route becomes line and column once, when it is shown, through the spans of the file's Document.
    """

    file: str
    route: tuple[Key, ...] = ()
    on: Literal["key", "value"] = "value"
    line: int | None = None
    column: int | None = None
    end_column: int | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One finding: a kebab-case code from CODES, what is wrong, where, and what would be right."""

    code: str
    message: str
    severity: Severity = "error"
    where: Location | None = None
    hint: str | None = None
    related: tuple[tuple[str, Location], ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"diagnostic code {self.code!r} is not in edgec.codes.CODES")

    @property
    def exit_code(self) -> int:
        """The exit code that an error of this kind ends a command with (DESIGN section 2)."""
        return CODES[self.code].exit_code


class Failure(Exception):
    """A user's mistake or a refused result: one or more diagnostics, at least one of them an error.

    ``documents`` are the files that the diagnostics' locations point into, as far as they were read, by their name there.
    """

    def __init__(self, *diagnostics: Diagnostic, documents: Mapping[str, Document] | None = None) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = diagnostics
        self.documents: Mapping[str, Document] = dict(documents or {})

    @property
    def exit_code(self) -> int:
        """The lowest exit code among the errors."""
        return min(d.exit_code for d in self.diagnostics if d.severity == "error")


def first_line(error: BaseException) -> str:
    """Return the first line that says something in an exception's words, else its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def lookalike(word: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that ``word`` is in another Unicode normalisation, or None: the two look the same."""
    plain = unicodedata.normalize("NFC", word)
    return next((name for name in allowed if name != word and unicodedata.normalize("NFC", name) == plain), None)


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that ``word`` was most likely meant to be, or None when nothing is close."""
    names = list(allowed)
    folded = {name.lower().replace("_", "-"): name for name in names}
    match = difflib.get_close_matches(word.lower().replace("_", "-"), folded, n=1, cutoff=0.6)
    return folded[match[0]] if match else None
