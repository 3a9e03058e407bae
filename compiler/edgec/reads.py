"""What the program reads of the file system, noted as it happens: whether that is as it was can be asked later, by marks.

Files that Python opens and folders that it lists are seen by an audit hook (PEP 578). What is only looked for, or opened by
other code, must be told to ``note``; what no mark stands for, such as a symbolic link that was followed, to ``unsure``.
Left out are modules of installed packages, which their versions stand for.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgec.marks import mark, mark_of, settled
from edgec.resources import PACKAGE, resource

Mark = list[int] | str | None
"""A settled file's mark, a younger one's sha256, "folder", "device", "link" that leads nowhere, or None where nothing is."""

PIECE = 1 << 18
"""Bytes of a file that are hashed at a time, while they are in the processor's cache."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CODE = (".py", ".pyc", ".so", ".pyd")
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
    before, _noting = _noting, Reads(skipped=tuple(os.path.join(place, "") for place in (*skipped, "/proc", "/sys")))  # noqa: PTH118
    try:
        yield _noting
    finally:
        _noting = before


def note(path: str | os.PathLike[str]) -> None:
    """Say that what the program does depends on whether there is a file or folder ``path``, and on what file."""
    if _noting is not None:
        _quietly(_noting.files.setdefault, absolute(path), _look)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Note files that are opened while the block runs without what lies beside them: none of that is looked for."""
    _here.alone = True
    try:
        yield
    finally:
        _here.alone = False


def note_folder(path: str | os.PathLike[str]) -> None:
    """Say that what the program does depends on what a folder holds."""
    if _noting is not None:
        _quietly(_noting.folders.setdefault, absolute(path), _listing)


def sha256(path: str | os.PathLike[str]) -> hashlib._Hash:
    """Return the sha256 of a file's content, noted as if it had been opened, in half the time of that where it is small.

    Raises OSError, which names the file.
    """
    if _noting is None or getattr(_here, "busy", False):
        return _sha256(path)
    _here.busy = True  # the hook need not be told what is known here
    try:
        _opened(_noting, path, None, os.O_RDONLY)
        return _sha256(path)
    finally:
        _here.busy = False


def unsure(why: str) -> None:
    """Say that what the program does depends on what no mark stands for."""
    if _noting is not None:
        _noting.elsewhere = _noting.elsewhere or why


def _quietly(put: Callable[[str, Any], object], place: str, look: Callable[[str], Any]) -> None:
    """Look without being seen by the hook, which would note that as reading."""
    _here.busy = True
    try:
        put(place, look(place))
    finally:
        _here.busy = False


def absolute(path: Any) -> str:
    """Return the path as it will be found from any folder; ``..`` stays, since what it leads to depends on links before it."""
    name = os.fsdecode(path)
    return name if os.path.isabs(name) else os.path.join(os.getcwd(), name)  # noqa: PTH109, PTH117, PTH118


def still(files: Mapping[str, Mark], folders: Mapping[str, str | None]) -> bool:
    """Whether every file and folder is as it was when it was noted."""
    return all(_same(path, found) for path, found in files.items()) and all(
        _listing(path) == found for path, found in folders.items()
    )


def _same(path: str, found: Mark) -> bool:
    """A file that was young is hashed again; all others are looked at."""
    if isinstance(found, list):
        return mark(path) == found
    try:
        now = _look(path)
        return now == found or (isinstance(now, list) and found == _sha256(path).hexdigest())
    except OSError:
        return False


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
    if isinstance(path, str) and path.endswith(CODE) and path.startswith(_installed()):  # most of all that is opened
        return
    place = absolute(path)
    if place.startswith(found.skipped) or (place.endswith(CODE) and place.startswith(_installed())):
        return
    if place not in found.files:
        found.files[place] = _look(place)
    if found.files[place] == "device":  # a pipe gives something else each time
        found.elsewhere = found.elsewhere or place
    if getattr(_here, "alone", False):
        return
    parent = os.path.dirname(place)  # noqa: PTH120
    if parent not in found.folders and not place.startswith(_installed()):  # what lies beside a file may have been looked for
        found.folders[parent] = _listing(parent)


def _listed(found: Reads, path: Any) -> None:
    if isinstance(path, int):
        found.elsewhere = found.elsewhere or "a folder that is known by a descriptor alone"
        return
    place = absolute("." if path is None else path)
    if place not in found.folders and not os.path.join(place, "").startswith((*found.skipped, *_installed())):  # noqa: PTH118
        found.folders[place] = _listing(place)


def _look(path: str) -> Mark:
    try:
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):
            return "folder" if stat.S_ISDIR(status.st_mode) else "device"
        found = mark_of(status)
        return found if settled(found) else _sha256(path).hexdigest()
    except (OSError, ValueError):
        return "link" if os.path.islink(path) else None  # noqa: PTH114


def _sha256(path: str | os.PathLike[str]) -> hashlib._Hash:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = hashlib.sha256(piece := os.read(descriptor, PIECE))
        while piece:
            piece = os.read(descriptor, PIECE)
            found.update(piece)
        return found
    except OSError as error:
        error.filename = os.fspath(path)  # which a descriptor does not tell
        raise
    finally:
        os.close(descriptor)


def _listing(path: str) -> str | None:
    try:
        with os.scandir(path) as entries:
            found = sorted((entry.name, _kind(entry), os.readlink(entry) if entry.is_symlink() else "") for entry in entries)  # noqa: PTH115
    except OSError:
        return None
    return hashlib.sha256(repr(found).encode("utf-8", "surrogateescape")).hexdigest()


def _kind(entry: os.DirEntry[str]) -> str:
    """What an entry is, links followed; nothing where one leads nowhere."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "other" if os.path.exists(entry) else ""  # noqa: PTH110
    except OSError:  # a link that leads in a circle: the rest of the folder is listed all the same
        return ""


@functools.cache
def _installed() -> tuple[str, ...]:
    """Where modules lie whose versions or digests are asked for by themselves; each ends with a separator."""
    found = {os.path.dirname(os.path.abspath(os.__file__)), str(PACKAGE)}  # noqa: PTH100, PTH120
    found |= {str(resource(name)) for name in ("templates", "schemas")}
    found |= {path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")}  # noqa: PTH119
    return tuple(os.path.join(path, "") for path in found)  # noqa: PTH118
