"""Whether a manifest's code may run: entry *and* digest in the policy (edgec.toml), or the user's ``--allow-code``."""

from __future__ import annotations

from pathlib import Path

from edgec import reads
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Location
from edgec.store.policy import POLICY, read_policy


def default_policy(project: Project) -> Path | None:
    """Return the policy at the project's root, or None where there is none."""
    path = project.root / POLICY
    reads.note(path)
    return path if path.is_file() else None


def allowed(entry: str, digest: str, policy: Path | None, allow_code: bool) -> bool:
    """Return whether ``entry`` (``module:callable`` or a ``.pt2`` file) with this sha256 may run.

    The policy's ``[[allow]]`` tables name both. Raises Failure ``policy-invalid``.
    """
    rules = read_policy(policy).allow if policy else ()
    return allow_code or (entry, digest) in rules


def refusal(entry: str, digest: str, policy: Path | None) -> Diagnostic:
    """Return the error ``code-not-trusted``, whose hint is the entry to add to the policy."""
    known = [sha256 for name, sha256 in read_policy(policy).allow if name == entry] if policy else []
    changed = f"; {POLICY} trusts another version of it, sha256 {known[0]}" if known else ""
    return Diagnostic(
        code="code-not-trusted",
        message=f"loading {entry!r} runs code of this project, which nothing allows{changed}",
        where=Location(file="", route=()),
        hint=f'read it, then add to {POLICY}:\n\n[[allow]]\nentry = "{_quoted(entry)}"\nsha256 = "{digest}"\n\n'
        "or pass --allow-code",
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
