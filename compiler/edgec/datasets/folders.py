"""What lies below a folder of data: every file in a stable order, and what is not followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edgec.artifacts.project import Project
from edgec.datasets.arrays import wrong
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.files import NOWHERE


def found(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield every visible file below ``folder``, sorted by path. Raises Failure for links that lead to folders."""
    with os.scandir(folder) as entries:
        ordered = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            yield from found(Path(entry.path))
        elif _leads(entry.is_dir):
            raise Failure(wrong("data-unreadable", f"{entry.name!r} is a symbolic link to a folder: not followed"))
        else:
            yield entry


def refuse_strange(entry: os.DirEntry[str], shown: str, project: Project) -> None:
    """Raise Failure for an entry that is no file of the project: a link out of its root, or one that leads nowhere.

    And for one whose name no record could hold: ``shown``, its path below the folder of data, is not UTF-8.
    """
    if not is_utf8(shown):
        raise Failure(wrong("data-unreadable", f"the name of {shown!r} is not UTF-8", hint="rename the file or its folder"))
    if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(project.root):
        message = f"{shown!r} is a symbolic link out of the project's root"
        raise Failure(wrong("path-outside-root", message, hint="copy the file into the project"))
    if not _leads(entry.is_file):
        raise Failure(wrong("data-unreadable", f"{shown!r} is not a file, or a link that leads nowhere"))


def left_out(
    entries: Iterable[os.DirEntry[str]], endings: tuple[str, ...], project: Project, key: str, why: str, hint: str
) -> list[Diagnostic]:
    """Warn of entries whose names have one of ``endings``, below the folder at ``key``: no data is left out in silence."""
    paths = [entry.path for entry in entries if entry.name.lower().endswith(endings)]
    if not paths:
        return []
    message = f"{why}: {len(paths)}, first {project.relative(Path(paths[0]))!r}"
    return [wrong("data-unreadable", message, severity="warning", hint=hint, route=(key,))]


def is_utf8(name: str) -> bool:
    """Whether a name can be written as UTF-8: Python stands a surrogate for each byte of a file's name that is not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _leads(look: Callable[[], bool]) -> bool:
    """Ask an entry what it leads to. A link in a circle, or to a name too long, leads nowhere, as one to what is gone."""
    try:
        return look()
    except OSError as error:
        if error.errno not in NOWHERE:
            raise
        return False
