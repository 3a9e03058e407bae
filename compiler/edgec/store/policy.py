"""The policy file (``edgec.toml``): read whole, checked, and refused where a word in it has no meaning."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

from edgec import reads
from edgec.artifacts.evidence import RANKS
from edgec.artifacts.policy import Policy
from edgec.diagnostics import Diagnostic, Failure, Location, nearest

POLICY = "edgec.toml"
TABLES = ("allow", "signatures", "evidence", "versions")
BEST = {"accuracy": "device", "latency": "device", "throughput": "device", "memory": "device",
        "size": "artifact", "delegation": "artifact"}  # fmt: skip
"""The kinds of budget, and the strongest evidence that there can be for each."""


def read_policy(path: Path) -> Policy:
    """Return the policy in the file ``path``; its keys are named relative to it. Raises Failure ``policy-invalid``.

    A command reads it for each manifest whose code it may allow, and parses and checks the same content once.
    """
    try:
        with reads.alone():
            content = path.read_bytes()
    except OSError as error:
        raise invalid(path, error.strerror or str(error)) from None
    return _policy(path, content)


@functools.cache
def _policy(path: Path, content: bytes) -> Policy:
    loaded = _loaded(path, content)
    _known(path, loaded, TABLES, "")
    signatures = _table(path, loaded, "signatures", ("keys", "needed"))
    versions = _table(path, loaded, "versions", ("downgrade",))
    keys = _keys(path, signatures) if "signatures" in loaded else ()
    return Policy(
        file=path,
        allow=_allow(path, loaded.get("allow", [])),
        keys=keys,
        needed=_needed(path, signatures, len(keys)),
        evidence=_evidence(path, _table(path, loaded, "evidence", tuple(BEST))),
        downgrade=_word(path, versions.get("downgrade", "allow"), ("allow", "refuse"), "downgrade") == "allow",
    )


def _keys(path: Path, table: dict[str, Any]) -> tuple[Path, ...]:
    keys = table.get("keys", [])
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        raise invalid(path, "'keys' of [signatures] must be a list of file names")
    if not keys:
        raise invalid(path, "[signatures] names no key in 'keys'; leave [signatures] out to ask for no signature")
    return tuple(path.parent / key for key in keys)


def _needed(path: Path, table: dict[str, Any], keys: int) -> int:
    needed = table.get("needed", 1)
    if type(needed) is not int or not 1 <= needed <= max(keys, 1):
        raise invalid(path, f"'needed' of [signatures] must be a number from 1 to the number of its keys, {keys}")
    return needed


def _evidence(path: Path, table: dict[str, Any]) -> dict[str, str]:
    found = {}
    for kind, value in table.items():
        found[kind] = _word(path, value, RANKS[1:], kind)
        if RANKS.index(value) > RANKS.index(BEST[kind]):
            raise invalid(path, f"'{kind}' of [evidence] can be no better than {BEST[kind]!r}: nothing would pass")
    return found


def _word(path: Path, value: Any, allowed: tuple[str, ...], key: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise invalid(path, f"{key!r} is {value!r}; allowed: {', '.join(allowed)}")
    return value


def _table(path: Path, loaded: dict[str, Any], name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    table = loaded.get(name, {})
    if not isinstance(table, dict):
        raise invalid(path, f"{name!r} must be written as a [{name}] table")
    _known(path, table, keys, f" of [{name}]")
    return table


def _known(path: Path, table: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in sorted(set(table) - set(keys)):
        close = nearest(key, keys)
        meant = f"did you mean {close!r}?" if close else f"known: {', '.join(keys)}"
        raise invalid(path, f"unknown key {key!r}{where}; {meant}")


def _allow(path: Path, entries: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(entries, list):
        raise invalid(path, "'allow' must be written as [[allow]] tables")
    return tuple(_rule(path, number, entry) for number, entry in enumerate(entries, 1))


def _rule(path: Path, number: int, entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or set(entry) != {"entry", "sha256"}:
        raise invalid(path, f"[[allow]] number {number} must hold 'entry' and 'sha256', and nothing else")
    name, digest = entry["entry"], entry["sha256"]
    if not isinstance(name, str) or not isinstance(digest, str):
        raise invalid(path, f"'entry' and 'sha256' of [[allow]] number {number} must be strings")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise invalid(path, f"'sha256' of [[allow]] number {number} is not 64 lower-case hexadecimal digits")
    return name, digest


def _loaded(path: Path, content: bytes) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(content.decode("utf-8"))
    except ValueError as error:  # not UTF-8, or not TOML
        raise invalid(path, str(error)) from None


def invalid(path: Path, why: str) -> Failure:
    """Return the failure ``policy-invalid`` of the policy file ``path``, which it names from the current folder."""
    try:
        shown = min(os.path.relpath(path), str(path), key=len)
    except OSError:  # the current folder is gone
        shown = str(path)
    return Failure(Diagnostic(code="policy-invalid", message=f"{path.name}: {why}", where=Location(file=shown)))
