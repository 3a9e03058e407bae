"""A device's verify.json or a build's measurements.json, which come from outside: read, and checked for their shape."""

from __future__ import annotations

import json
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.diagnostics import Diagnostic, Failure


def read_figures(path: Path) -> dict[str, Json]:
    """Return what the file holds. Raises OSError, and Failure ``bundle-broken`` for one that is neither of the two."""
    return parse_figures(path.read_bytes(), str(path))


def parse_figures(text: bytes, name: str) -> dict[str, Json]:
    """Return the record that ``text`` holds; ``name`` is the file's, for people. Raises Failure ``bundle-broken``."""
    try:
        found = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        found = None
    if problem := misshapen(found, "verification"):
        message = f"{name} is neither a verify.json nor a measurements.json: {problem}"
        raise Failure(Diagnostic(code="bundle-broken", message=message))
    checked: dict[str, Json] = found
    return checked


def _refused(constant: str) -> Json:
    raise ValueError(f"{constant} is no JSON")


def misshapen(record: Json, schema: str) -> str | None:
    """Return where ``record`` is not as ``schemas/<schema>.schema.json`` has it, and why; None where it is."""
    from referencing import Registry

    from edgec.resources import resource
    from edgec.upstream.json_schema import Draft202012Validator

    rules = json.loads(resource("schemas", f"{schema}.schema.json").read_bytes())
    registry: Registry[Json] = Registry()
    problem = next(Draft202012Validator(rules, registry=registry).iter_errors(record), None)
    if problem is None:
        return None
    where = "".join(f"{key}/" for key in problem.absolute_path).rstrip("/") or "its top level"
    return f"{where}: {problem.message[:200]}"
