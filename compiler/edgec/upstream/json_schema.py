"""jsonschema imported at once, also where the packages that check its formats are installed.

``jsonschema._format`` (4.26) imports every package that it finds for a format: ``rfc3987_syntax`` compiles 39 grammars then
(2 s), ``isoduration`` brings arrow (40 ms). A manifest's schema has no format, and without a package jsonschema leaves its
format unchecked; so it does here. Goes away when those are imported when they are used.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

FORMATS = ("rfc3987", "rfc3987_syntax", "rfc3986_validator", "rfc3339_validator", "isoduration", "webcolors", "uri_template",
           "fqdn", "jsonpointer")  # fmt: skip


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


with _not_found(FORMATS):
    from jsonschema import Draft202012Validator, ValidationError, validators

__all__ = ["Draft202012Validator", "ValidationError", "validators"]
