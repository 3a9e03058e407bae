"""What the program reads of the file system, noted as it happens: whether that is as it was can be asked later, by marks.

Files that are opened and folders that are listed are seen by an audit hook (PEP 578), whoever opens them; what is only
looked for must be told to ``note``. Not seen are modules and data of installed packages, which their versions stand for.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgec.resources import PACKAGE, resource
from edgec.store.marks import mark, settled

Mark = list[int] | str | None
"""A settled file's mark, a younger one's sha256, "folder", "device", or None where there is nothing."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
ELSEWHERE = ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.connect")
"""Events after which an answer rests on more than files."""


@dataclass(kw_only=True)
class Reads:
    """``files`` and ``folders`` by absolute path: a Mark each, and the sha256 over the names of what a folder holds.

    ``elsewhere`` names what was asked beside files, or could not be noted; then nothing can be said of it later.
    ``skipped`` are the beginnings of paths that are not noted.
    """

    skipped: tuple[str, ...] = ()
    files: dict[str, Mark] = field(default_factory=dict)
    folders: dict[str, str | None] = field(default_factory=dict)
    elsewhere: str = ""

    def __or__(self, other: Reads) -> Reads:
        """Return what both have read; the first look at a path counts, so that a change in between shows."""
        return Reads(
            files={**other.files, **self.files},
            folders={**other.folders, **self.folders},
            elsewhere=self.elsewhere or other.elsewhere,
        )


_noting: Reads | None = None
_here = threading.local()
_hooked = False


@contextlib.contextmanager
def noted(*skipped: str) -> Iterator[Reads]:
    """Give the Reads that fill while the block runs, in all its threads; paths below ``skipped`` are left out."""
    global _noting, _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    places = [*skipped, *_installed(), "/proc", "/sys"]
    before, _noting = _noting, Reads(skipped=tuple(os.path.join(place, "") for place in places))  # noqa: PTH118
    try:
        yield _noting
    finally:
        _noting = before


def note(path: str | os.PathLike[str]) -> None:
    """Say that what the program does depends on whether there is a file or folder ``path``, and on what file."""
    if _noting is not None:
        place = os.path.abspath(path)  # noqa: PTH100
        _noting.files.setdefault(place, _look(place))


def still(files: Mapping[str, Mark], folders: Mapping[str, str | None]) -> bool:
    """Whether every file and folder is as it was when it was noted."""
    return all(_same(path, found) for path, found in files.items()) and all(
        _listing(path) == found for path, found in folders.items()
    )


def _same(path: str, found: Mark) -> bool:
    """A file that was young is hashed again; all others are looked at."""
    if isinstance(found, list):
        return mark(path) == found
    now = _look(path)
    return now == found or (isinstance(now, list) and found == _sha256(path))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Called by Python before each operation of many kinds; it must not raise, or that operation would fail."""
    found = _noting
    if found is None or getattr(_here, "busy", False):
        return
    _here.busy = True  # what is opened here, to look at a file, is nobody's reading
    try:
        if event == "open":
            _opened(found, *arguments)
        elif event in ("os.listdir", "os.scandir"):
            _listed(found, arguments[0])
        elif event in ELSEWHERE:
            found.elsewhere = found.elsewhere or event
    except Exception as error:  # said there, and then nothing is concluded from these Reads
        found.elsewhere = found.elsewhere or f"{event}: {error}"
    finally:
        _here.busy = False


def _opened(found: Reads, path: Any, mode: str | None, flags: int) -> None:
    if isinstance(path, int) or flags & WRITING:
        return
    place = _place(path)
    if place.startswith(found.skipped):
        return
    if place not in found.files:
        found.files[place] = _look(place)
    parent = os.path.dirname(place)  # noqa: PTH120
    if parent not in found.folders:  # what lies beside a file may have been looked for
        found.folders[parent] = _listing(parent)


def _listed(found: Reads, path: Any) -> None:
    if isinstance(path, int):
        return
    place = _place("." if path is None else path)
    if place not in found.folders and not os.path.join(place, "").startswith(found.skipped):  # noqa: PTH118
        found.folders[place] = _listing(place)


def _place(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100


def _look(path: str) -> Mark:
    found = mark(path)
    if found is None:
        return None
    try:
        kind = os.stat(path).st_mode  # noqa: PTH116
        if not stat.S_ISREG(kind):
            return "folder" if stat.S_ISDIR(kind) else "device"
        return found if settled(found) else _sha256(path)
    except OSError:
        return None


def _sha256(path: str) -> str:
    with open(path, "rb") as handle:  # noqa: PTH123
        return hashlib.sha256(handle.read()).hexdigest()


def _listing(path: str) -> str | None:
    try:
        with os.scandir(path) as entries:
            names = sorted(f"{entry.name}{'/' if entry.is_dir() else ''}" for entry in entries)
    except OSError:
        return None
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _installed() -> list[str]:
    """Where modules lie whose versions or digests are asked for by themselves."""
    found = {os.path.dirname(os.path.abspath(os.__file__)), str(PACKAGE)}  # noqa: PTH100, PTH120
    found |= {str(resource(name)) for name in ("templates", "schemas")}
    return [*found, *(path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages"))]  # noqa: PTH119
