"""What git says has changed in a project since a revision: committed, staged, edited or not yet added."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from edgec.diagnostics import Diagnostic, Failure

TIME_LIMIT_SECONDS = 60


def changed_since(revision: str, folder: Path) -> frozenset[Path]:
    """Return the absolute paths of all files that differ from ``revision`` in the repository around ``folder``.

    A branch is compared where it left: what the revision gained since does not count as a change here. Deleted files are
    among the paths; of a submodule, whatever differs in it, its folder is. What git ignores is not. Raises Failure
    ``since-unknown`` where there is no repository or no such revision, ``tool-missing`` without git.
    """
    if shutil.which("git") is None:
        raise Failure(Diagnostic(code="tool-missing", message="--since asks git, which is not installed"))
    top = Path(_asked(folder, "rev-parse", "--show-toplevel") or _refuse(f"{folder} lies in no git repository"))
    commit = _asked(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not commit:
        hint = "a shallow clone has only what was fetched: git fetch --unshallow, or fetch that branch"
        _refuse(f"git knows no revision {revision!r}", hint)
    base = _asked(top, "merge-base", str(commit), "HEAD") or commit
    names = _names(top, "diff", "--name-only", "--no-renames", "--ignore-submodules=none", "-z", str(base), "--")
    names += _names(top, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(top.resolve() / name for name in names)


def _names(folder: Path, *arguments: str) -> list[str]:
    found = _asked(folder, *arguments)
    if found is None:
        _refuse(f"git {arguments[0]} failed in {folder}")
    return [name for name in (found or "").split("\0") if name]


def _asked(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, without its last line end; None where it refuses."""
    command = ["git", "-c", "core.quotePath=off", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=TIME_LIMIT_SECONDS)
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n") if done.returncode == 0 else None


def _refuse(message: str, hint: str | None = None) -> str:
    raise Failure(Diagnostic(code="since-unknown", message=f"--since: {message}", hint=hint))
