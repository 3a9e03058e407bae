"""Whether a manifest's code may run: entry *and* digest in the policy (edgec.toml), or the user's ``--allow-code``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Location

POLICY = "edgec.toml"


def default_policy(project: Project) -> Path | None:
    """Return the policy at the project's root, or None where there is none."""
    path = project.root / POLICY
    return path if path.is_file() else None


def allowed(entry: str, digest: str, policy: Path | None, allow_code: bool) -> bool:
    """Return whether ``entry`` (``module:callable`` or a ``.pt2`` file) with this sha256 may run.

    The policy is TOML: ``[[allow]]`` tables, each with ``entry`` and ``sha256``. Raises Failure ``policy-invalid``.
    """
    rules = _rules(policy) if policy else []
    return allow_code or (entry, digest) in rules


def refusal(entry: str, digest: str, policy: Path | None) -> Diagnostic:
    """Return the error ``code-not-trusted``, whose hint is the entry to add to the policy."""
    known = [sha256 for name, sha256 in _rules(policy) if name == entry] if policy else []
    changed = f"; {POLICY} trusts another version of it, sha256 {known[0]}" if known else ""
    return Diagnostic(
        code="code-not-trusted",
        message=f"loading {entry!r} runs code of this project, which nothing allows{changed}",
        where=Location(file="", route=()),
        hint=f'read it, then add to {POLICY}:\n\n[[allow]]\nentry = "{_quoted(entry)}"\nsha256 = "{digest}"\n\n'
        "or pass --allow-code",
    )


def _rules(policy: Path) -> list[tuple[str, str]]:
    loaded = _loaded(policy)
    unknown = sorted(set(loaded) - {"allow"})
    if unknown:
        raise _invalid(policy, f"unknown key {unknown[0]!r}; known: 'allow'")
    entries = loaded.get("allow", [])
    if not isinstance(entries, list):
        raise _invalid(policy, "'allow' must be written as [[allow]] tables")
    return [_rule(policy, number, entry) for number, entry in enumerate(entries, 1)]


def _rule(policy: Path, number: int, entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or set(entry) != {"entry", "sha256"}:
        raise _invalid(policy, f"[[allow]] number {number} must hold 'entry' and 'sha256', and nothing else")
    name, digest = entry["entry"], entry["sha256"]
    if not isinstance(name, str) or not isinstance(digest, str):
        raise _invalid(policy, f"'entry' and 'sha256' of [[allow]] number {number} must be strings")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise _invalid(policy, f"'sha256' of [[allow]] number {number} is not 64 lower-case hexadecimal digits")
    return name, digest


def _loaded(policy: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(policy.read_bytes().decode("utf-8"))
    except OSError as error:
        raise _invalid(policy, error.strerror or str(error)) from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise _invalid(policy, str(error)) from None


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _invalid(policy: Path, why: str) -> Failure:
    where = Location(file=policy.name)
    return Failure(Diagnostic(code="policy-invalid", message=f"{policy.name}: {why}", where=where))
