"""Paths that a manifest names, found inside the project or refused with a diagnostic; and the sha256 of files."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edgec import reads
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Key, Location, nearest
from edgec.marks import mark, settled

NOWHERE = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist",
    errno.ELOOP: "leads in a circle of symbolic links",
    errno.ENAMETOOLONG: "is longer than a path can be",
}
"""Why there is nothing at a path, by what the system says of it; all else is the machine's fault, not the path's."""


def is_file(path: Path) -> bool:
    """Return whether ``path`` leads to a file; False too for a path too long, for which Path.is_file raises. Raises OSError."""
    return stat.S_ISREG(_look(path)[0])


def is_folder(path: Path) -> bool:
    """Return whether ``path`` leads to a folder, as ``is_file`` does for a file. Raises OSError."""
    return stat.S_ISDIR(_look(path)[0])


def no_file(path: Path) -> str:
    """Return in words why ``path`` leads to no file. Raises OSError."""
    return _look(path)[1] or "is not a regular file"


def located(
    project: Project, path: str, route: tuple[Key, ...], *, code: str, kind: Literal["file", "folder"] = "file"
) -> Path:
    """Return where ``path``, as the manifest writes it, leads; ``route`` is relative to the plugin's entry.

    Raises Failure ``path-outside-root``, or ``code`` when there is no such file or folder.
    """
    where = Location(file="", route=route)
    try:
        found = project.resolve(path)
    except Failure as failure:
        raise Failure(*(replace(diagnostic, where=where) for diagnostic in failure.diagnostics)) from None
    except ValueError as error:  # a NUL, which a table can hold
        raise Failure(Diagnostic(code=code, message=f"{path!r} is no path: {error}", where=where)) from None
    mode, nowhere = _look(found)
    if stat.S_ISREG(mode) if kind == "file" else stat.S_ISDIR(mode):
        return found
    message = f"{path!r} {nowhere or 'is not a ' + kind}"
    raise Failure(Diagnostic(code=code, message=message, where=where, hint=_neighbour(found)))


def collected(check: Callable[[], object]) -> list[Diagnostic]:
    """Return the diagnostics of the Failure that ``check`` raises, or none."""
    try:
        check()
    except Failure as failure:
        return list(failure.diagnostics)
    return []


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file's content. Raises OSError."""
    return reads.sha256(path).hexdigest()


def sha256_once(path: Path) -> str:
    """Return ``sha256_of`` for a file that many manifests share: it is read again where its size, inode or times are others.

    A file that changed a moment ago is always read. Not for what is shipped: a write through a memory map can leave the
    times as they were. Raises OSError.
    """
    found = mark(path)
    return _settled(path, tuple(found)) if found and settled(found) else sha256_of(path)


@functools.cache
def _settled(path: Path, mark: tuple[int, ...]) -> str:
    return sha256_of(path)


def sha256_of_all(paths: Iterable[Path], project: Project) -> str:
    """Return one hex sha256 over the names (relative to the root) and contents of several files.

    Contents that ``project.files`` has a digest of are not read again: what was planned is what is judged.
    """
    names = ((path, project.relative(path)) for path in sorted(paths))
    lines = [f"{project.files.get(name) or sha256_of(path)}  {name}\n" for path, name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _look(path: Path) -> tuple[int, str]:
    """Return the mode of what a path leads to; 0, and words for why, where it leads nowhere. Raises any other OSError."""
    try:
        return path.stat().st_mode, ""
    except OSError as error:
        if error.errno not in NOWHERE:
            raise
        return 0, NOWHERE[error.errno]


def _neighbour(missing: Path) -> str | None:
    if not os.path.isdir(missing.parent):  # noqa: PTH112 (false, too, for a folder whose name is too long)
        return f"there is no folder {missing.parent.name!r} either; paths are relative to the manifest's folder"
    close = nearest(missing.name, (entry.name for entry in missing.parent.iterdir() if entry.name != missing.name))
    return f"did you mean {close!r}?" if close else "paths are relative to the manifest's folder"
