"""What lies in a cache, whether it is whole, and what goes when it must become smaller: the least recently used first."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgec.store.cache import INDEX, LEASES, LOCKS, Cache, abandoned, damage, discard, locked

INDEXED = ("answer", "appraisal", "built", "clocks", "compiled", "compressed", "last", "lowered", "plugin", "profile",
           "runner", "sbom", "toolchain", "unfinished", "upload")  # fmt: skip
"""Kinds whose entries have an index; each key is a sha256."""

UNINDEXED = ("downloads", "runtime")
"""Kinds without an index: each of their files is hashed against the digest that it was asked for, when it is used."""

KEYS = {
    **dict.fromkeys(INDEXED, re.compile("[0-9a-f]{64}")),
    "downloads": re.compile("[0-9a-f]{16}|[0-9a-f]{64}"),
    "runtime": re.compile("executorch-.+-[0-9a-f]{16}|openvino-[0-9.]+-x86_64"),
}
"""What entries are called, by kind. The folder may hold what is not the cache's: all else in it is left alone."""

STAGING = re.compile(r"\.([0-9a-f]{12}|executorch-[0-9.]|openvino-[0-9]{3}|fetch|openvino)-[a-z0-9_]{8}(\.old)?")
"""What folders are called that are being written or removed: the beginning of a key, or a tool, and ``tempfile``'s letters."""

LEASE_FILE = re.compile("tmp[a-z0-9_]{8}")
LOCK_FILE = re.compile("|".join([f"{kind}-({key.pattern})" for kind, key in KEYS.items()] + ["runtime-[a-z0-9_]+"]))
"""Locks of entries, and of the runtimes of an architecture."""

YOUNG_SECONDS = 600.0
"""A staging folder without a lock may be one that a process has just made, and is about to lock."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One folder of the cache; ``used`` is when it was last read or written, in seconds since 1970."""

    kind: str
    key: str
    folder: Path
    bytes: int
    used: float


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a collector removed, what it left, and how many entries it may not touch because a build uses them."""

    removed: tuple[Entry, ...]
    left_bytes: int
    in_use: int


def entries(folder: Path) -> list[Entry]:
    """Return everything that the cache holds, by kind and key."""
    found = []
    for kind, path in _folders(folder):
        if KEYS[kind].fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # another process removes it just now
                found.append(_entry(kind, path))
    return found


def _folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give every folder below those of the kinds."""
    for kind in sorted(KEYS):
        if (folder / kind).is_dir():
            yield from ((kind, path) for path in sorted((folder / kind).iterdir()) if path.is_dir())


def _entry(kind: str, path: Path) -> Entry:
    files = [(file, file.stat()) for file in path.rglob("*") if file.is_file()]
    if kind in UNINDEXED:  # each use is noted on the folder
        used = [path.stat().st_mtime, *(max(status.st_mtime, status.st_atime) for _, status in files)]
    else:
        used = [status.st_mtime for file, status in files if file.name == INDEX]
    size = sum(status.st_size for _, status in files)
    return Entry(kind=kind, key=path.name, folder=path, bytes=size, used=max(used, default=path.stat().st_mtime))


def damaged(folder: Path) -> list[tuple[Entry, str]]:
    """Return the entries that are not whole, every file of every entry hashed, each with what is wrong."""
    found = []
    for entry in entries(folder):
        wrong = None if entry.kind in UNINDEXED else damage(entry.folder)
        if wrong and entry.folder.is_dir():
            found.append((entry, wrong))
    return found


def leases(folder: Path) -> list[float]:
    """Return when each build that uses the cache now began."""
    return [began for path, began in _leases(folder) if _held(path)]


def collect(cache: Cache, most: int, *, dry: bool = False) -> Collected:
    """Remove the least recently used entries until at most ``most`` bytes are left; ``dry`` only says which.

    What a running build may use stays, whatever the size: all that was used since the oldest one began. Leftovers of killed
    processes go too. Raises OSError.
    """
    folder = cache.folder
    since = min(leases(folder), default=float("inf"))
    if not dry:
        _sweep(folder)
    found = sorted(entries(folder), key=lambda entry: (entry.used, entry.kind, entry.key))
    total, removed, in_use = sum(entry.bytes for entry in found), [], 0
    for entry in found:
        if entry.used >= since - 1.0:  # file systems round times
            in_use += 1
        elif total > most and (dry or _removed(cache, entry)):
            removed.append(entry)
            total -= entry.bytes
    return Collected(removed=tuple(removed), left_bytes=total, in_use=in_use)


def _removed(cache: Cache, entry: Entry) -> bool:
    """Remove one entry unless somebody holds its key, or has used it since it was looked at."""
    path = cache.folder / LOCKS / f"{entry.kind}-{entry.key}"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = locked(path)
    if handle is None:
        return False
    with handle:
        try:
            if _entry(entry.kind, entry.folder).used > entry.used:
                return False
        except FileNotFoundError:
            return False
        discard(entry.folder)
        path.unlink()
    return True


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: staging folders, leases, locks that nobody holds."""
    import time

    for _, staging in _folders(folder):
        with contextlib.suppress(FileNotFoundError):
            if STAGING.fullmatch(staging.name) and time.time() - staging.stat().st_mtime > YOUNG_SECONDS and abandoned(staging):
                shutil.rmtree(staging)
    for path, _ in _leases(folder):
        if not _held(path):
            path.unlink(missing_ok=True)
    for path in _files(folder / LOCKS, LOCK_FILE):
        if handle := locked(path):
            with handle:
                path.unlink()


def _leases(folder: Path) -> Iterator[tuple[Path, float]]:
    for path in _files(folder / LEASES, LEASE_FILE):
        with contextlib.suppress(FileNotFoundError):
            yield path, path.stat().st_mtime


def _files(folder: Path, form: re.Pattern[str]) -> Iterator[Path]:
    return (path for path in folder.glob("*") if form.fullmatch(path.name) and path.is_file())


def _held(path: Path) -> bool:
    if not path.exists():
        return False
    handle = locked(path)
    if handle:
        handle.close()
    return handle is None
