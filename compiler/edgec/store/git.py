"""What git says has changed in a project since a revision: committed, staged, edited or not yet added."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

from edgec.diagnostics import Diagnostic, Failure

TIME_LIMIT_SECONDS = 60


def changed_since(revision: str, folder: Path) -> frozenset[Path]:
    """Return the absolute paths of all files that differ from ``revision`` in the repository around ``folder``.

    A branch is compared where it left: what the revision gained since does not count as a change here. Deleted files are
    among the paths; of a submodule, whatever differs in it, its folder is. What git ignores is not. Raises Failure
    ``since-unknown``, with git's reason, where it reads no repository, knows no such revision or does not answer in a minute;
    ``tool-missing`` without git.
    """
    if shutil.which("git") is None:
        raise Failure(Diagnostic(code="tool-missing", message="--since asks git, which is not installed"))
    top = _top(folder)
    commit, said = _asked(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not commit:
        hint = "a shallow clone has only what was fetched: git fetch --unshallow, or fetch that branch"
        _refuse(_because(f"git knows no revision {revision!r}", said), hint)
    base = _asked(top, "merge-base", commit, "HEAD")[0] or commit
    names = _names(top, "diff", "--name-only", "--no-renames", "--ignore-submodules=none", "-z", base, "--")
    names += _names(top, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(top.resolve() / name for name in names)


def _top(folder: Path) -> Path:
    found, said = _asked(folder, "rev-parse", "--show-toplevel")
    if not found and "dubious ownership" in said:
        named = re.search(r"repository at '(.+)'", said)
        place = shlex.quote(named[1] if named else str(folder))
        hint = f"trust that repository: git config --global --add safe.directory {place}"
        _refuse(_because(f"git reads no repository of another owner around {folder}", said), hint)
    if not found:
        _refuse(_because(f"git finds no git repository around {folder}", said))
    return Path(found)


def _names(folder: Path, *arguments: str) -> list[str]:
    found, said = _asked(folder, *arguments)
    if found is None:
        _refuse(_because(f"git {arguments[0]} failed in {folder}", said))
    return [name for name in found.split("\0") if name]


def _asked(folder: Path, *arguments: str) -> tuple[str | None, str]:
    """Return what git prints, without its last line end, or None where it refuses; and what it says beside it, in English."""
    command = ["git", "-c", "core.quotePath=off", "-C", str(folder), *arguments]
    english = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=TIME_LIMIT_SECONDS, env=english)
    except subprocess.TimeoutExpired:
        _refuse(f"git {arguments[0]} has not answered within {TIME_LIMIT_SECONDS} s in {folder}")
    printed, said = (stream.decode("utf-8", "surrogateescape").rstrip("\n") for stream in (done.stdout, done.stderr))
    return printed if done.returncode == 0 else None, said


def _because(message: str, said: str) -> str:
    """Add git's reason: its last line that names an error, else its last one, which may be advice."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    return f"{message}: {(errors or lines)[-1]}" if lines else message


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    raise Failure(Diagnostic(code="since-unknown", message=f"--since: {message}", hint=hint))
