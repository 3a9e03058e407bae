"""jsonschema imported at once, also where the packages that check its formats are installed.

``jsonschema._format`` (4.26) imports every package that it finds for a format: ``rfc3987_syntax`` compiles 39 grammars then
(2 s), ``isoduration`` brings arrow (40 ms). A manifest's schema has no format, and without a package jsonschema leaves its
format unchecked; so it does here. ``jsonschema.validators`` imports ``urllib.request``, with http, TLS and email (35 ms), for
a deprecated resolver of remote references. Goes away when those are imported when they are used.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Any

FORMATS = ("rfc3987", "rfc3987_syntax", "rfc3986_validator", "rfc3339_validator", "isoduration", "webcolors", "uri_template",
           "fqdn", "jsonpointer")  # fmt: skip
REQUEST = "urllib.request"


@contextlib.contextmanager
def _not_found(names: tuple[str, ...]) -> Iterator[None]:
    """Inside it ``import name`` raises ImportError, for those that were not imported before."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _at_first_use() -> Iterator[None]:
    """Inside it ``from urllib.request import urlopen`` imports nothing, unless that was imported before."""
    stand_in = types.ModuleType(REQUEST)
    stand_in.urlopen = _urlopen  # type: ignore[attr-defined]
    here = sys.modules.setdefault(REQUEST, stand_in)
    try:
        yield
    finally:
        if here is stand_in:
            del sys.modules[REQUEST]


def _urlopen(*arguments: Any, **options: Any) -> Any:
    from urllib.request import urlopen

    return urlopen(*arguments, **options)


with _not_found(FORMATS), _at_first_use():
    from jsonschema import Draft202012Validator, ValidationError, validators

__all__ = ["Draft202012Validator", "ValidationError", "validators"]
