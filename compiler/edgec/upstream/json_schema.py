"""jsonschema imported at once, also where the package that checks its format ``iri`` is installed.

``jsonschema._format`` (4.26) imports ``rfc3987_syntax`` where it finds it, which compiles 39 grammars on import: 2 s, for
formats that a manifest's schema does not have. Without the package jsonschema leaves ``iri`` unchecked, and so it does here.
Goes away when that package compiles a grammar only when it is used; tests/unit/upstream/test_json_schema.py times it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

SLOW = "rfc3987_syntax"


@contextlib.contextmanager
def _not_found(name: str) -> Iterator[None]:
    """Inside it ``import name`` raises ImportError, unless it was imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _not_found(SLOW):
    from jsonschema import Draft202012Validator, ValidationError, validators

__all__ = ["Draft202012Validator", "ValidationError", "validators"]
