"""A content-addressed cache of folders: put under a key that digests every input, re-hashed whenever one is read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgec.store.files import sha256_of

INDEX = "entry.json"
POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Cache:
    """``folder`` holds ``<kind>/<key>/`` with the entry's files and ``entry.json``, the sha256 of each."""

    folder: Path

    def read(self, kind: str, key: str) -> Path | None:
        """Return the entry's folder when it is whole; a damaged entry is removed, and None returned."""
        entry = self.folder / kind / key
        if not (entry / INDEX).is_file():
            return None
        if _digests(entry) == _index(entry):
            return entry
        shutil.rmtree(entry)
        return None

    def peek(self, kind: str, key: str, name: str) -> bytes | None:
        """Return one file of an entry when it is the one that was put in, without hashing the others."""
        entry = self.folder / kind / key
        if not (entry / name).is_file():
            return None
        content = (entry / name).read_bytes()
        return content if (_index(entry) or {}).get(name) == hashlib.sha256(content).hexdigest() else None

    def write(self, kind: str, key: str, folder: Path) -> Path:
        """Copy ``folder`` into the cache as one entry, whole or not at all, and return the entry's folder."""
        entry = self.folder / kind / key
        entry.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{key[:12]}-", dir=entry.parent))
        try:
            shutil.copytree(folder, staging, dirs_exist_ok=True)
            (staging / INDEX).write_text(json.dumps(_digests(staging), indent=1, sort_keys=True))
            _sync(staging)
            if entry.exists():
                shutil.rmtree(entry)
            staging.rename(entry)
        finally:
            if staging.exists():
                shutil.rmtree(staging)
        return entry

    def remove(self, kind: str, key: str) -> None:
        """Remove an entry, where there is one."""
        entry = self.folder / kind / key
        if entry.exists():
            shutil.rmtree(entry)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str, stop: threading.Event | None = None) -> Iterator[None]:
        """Hold the key's advisory lock; it dies with the process that holds it.

        Waiting for another holder ends with CancelledError as soon as ``stop`` is set.
        """
        from concurrent.futures import CancelledError

        path = self.folder / "locks" / f"{kind}-{key}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            while not _locked(handle):
                if stop and stop.is_set():
                    raise CancelledError
                time.sleep(POLL_SECONDS)
            yield


def _locked(handle: IO[str]) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def default_folder() -> Path:
    """Return ``$EDGEC_CACHE``, or the user's cache folder for edgec."""
    if chosen := os.environ.get("EDGEC_CACHE"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("edgec"))


def _digests(entry: Path) -> dict[str, str]:
    return {
        path.relative_to(entry).as_posix(): sha256_of(path)
        for path in sorted(entry.rglob("*"))
        if path.is_file() and path.relative_to(entry).as_posix() != INDEX
    }


def _index(entry: Path) -> dict[str, str] | None:
    try:
        found = json.loads((entry / INDEX).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
