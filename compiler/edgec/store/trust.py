"""Whether a manifest's code may run: entry *and* digest in the policy (edgec.toml), or the user's ``--allow-code``."""

from __future__ import annotations

from collections.abc import Iterable, Set
from pathlib import Path

from edgec import reads
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.policy import POLICY, invalid, read_policy


def default_policy(project: Project) -> Path | None:
    """Return the policy at the project's root, or None where nothing has its name.

    Raises Failure ``policy-invalid`` for a folder, a link that leads nowhere, and whatever else is no file.
    """
    path = project.root / POLICY
    reads.note(path)
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    if not path.is_file():
        raise invalid(path, "it is no file, nor a link that leads to one")
    return path


def broken(projects: Iterable[Project], policy: Path | None = None) -> tuple[Set[Path], tuple[Diagnostic, ...]]:
    """Return the roots of the projects whose policy is broken, and what is wrong with each policy.

    It is ``policy`` for all of them where that is named, else each root's own. Each is read once, whether or not a manifest
    has code that needs it.
    """
    roots = {project.root: project for project in projects}
    if policy:
        given = _wrong(policy)
        return roots.keys() if given else frozenset(), given
    found = {root: wrong for root, project in roots.items() if (wrong := _wrong(project))}
    return found.keys(), tuple(item for wrong in found.values() for item in wrong)


def _wrong(where: Project | Path) -> tuple[Diagnostic, ...]:
    try:
        path = where if isinstance(where, Path) else default_policy(where)
        if path and not path.is_file():
            raise invalid(path, "it is no file, and is read more than once")
        if path:
            read_policy(path)
    except Failure as failure:
        return failure.diagnostics
    return ()


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
