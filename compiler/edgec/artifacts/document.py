"""A manifest as read: its plain data, its text, and where each key and value stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""None, bool, int, float, str, or a list or dict of these; never NaN or infinity."""

Route: TypeAlias = tuple[str | int, ...]
"""Keys and indices from a document's top down to one value."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of text; lines and columns count from 1, the end column is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """One YAML file: ``path`` as the user named it, ``data`` without tags or aliases, spans by route."""

    path: str
    text: str
    data: Json
    values: Mapping[Route, Span] = field(default_factory=dict)
    keys: Mapping[Route, Span] = field(default_factory=dict)
