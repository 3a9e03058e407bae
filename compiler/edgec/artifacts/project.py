"""Where a manifest's relative paths lead: its folder, and the root that they may not leave."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgec import reads
from edgec.diagnostics import Diagnostic, Failure


@dataclass(frozen=True, kw_only=True)
class Project:
    """``root`` and ``folder`` are absolute and resolved; ``folder`` (the manifest's) lies in ``root``.

    ``files`` are a Plan's: input path relative to the root to sha256. Empty until there is a plan, and no code of the
    project runs that it does not list.
    """

    root: Path
    folder: Path
    offline: bool = False
    files: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, path: str) -> Path:
        """Return the absolute path of ``path`` as a manifest writes it, symbolic links followed.

        Links that lead in a circle are not followed, so that there is nothing at the path returned. Raises Failure
        ``path-outside-root`` when it leaves the root, also by a symbolic link, or is absolute.
        """
        found = Path(os.path.realpath(self.folder / path))  # Path.resolve raises RuntimeError for a circle before 3.13
        if str(found) != os.path.normpath(self.folder / path):
            reads.unsure("a symbolic link")
        if Path(path).is_absolute() or not found.is_relative_to(self.root):
            raise Failure(
                Diagnostic(
                    code="path-outside-root",
                    message=f"{path!r} lies outside the project's root",
                    hint="use a path relative to the manifest that stays inside the root (--root DIR widens it)",
                )
            )
        return found

    def relative(self, path: Path) -> str:
        """Return ``path`` relative to the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()
