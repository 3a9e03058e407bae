"""A content-addressed cache of folders: put under a key that digests every input, re-hashed whenever one is read.

Many processes may use one folder. Locks are advisory and die with the process that holds them; what is being written has a
name that begins with a dot until it is whole.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from edgec.diagnostics import Failure
from edgec.store.atomic import environment_failure, exchange, sync, sync_tree
from edgec.store.files import sha256_of

INDEX = "entry.json"
LOCKS = "locks"
LEASES = "leases"
POLL_SECONDS = 0.05
REFUSED = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)
)
"""What the machine refuses; any other error of the operating system is a mistake of this program."""


def untold(entry: str, why: str) -> None:
    """Say nothing of a damaged entry."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """``folder`` holds ``<kind>/<key>/`` with the entry's files and ``entry.json``, the sha256 of each.

    ``damaged`` is called with ``<kind>/<key>`` and the reason when an entry is found damaged, and so removed.
    """

    folder: Path
    damaged: Callable[[str, str], None] = untold

    def read(self, kind: str, key: str) -> Path | None:
        """Return the entry's folder when it is whole; a damaged entry is removed, and None returned."""
        entry = self.folder / kind / key
        with refusals(f"read {entry}", "not-readable"):
            if not entry.is_dir():
                return None
            wrong = damage(entry)
            if not wrong:
                with contextlib.suppress(FileNotFoundError):  # a collector was faster
                    used(entry / INDEX)
                    return entry
            elif entry.is_dir():
                self.damaged(f"{kind}/{key}", wrong)
                discard(entry)
        return None

    def peek(self, kind: str, key: str, name: str) -> bytes | None:
        """Return one file of an entry when it is the one that was put in, without hashing the others.

        None where it cannot be read, or goes just now: what it says can be found anew.
        """
        entry = self.folder / kind / key
        try:
            content = (entry / name).read_bytes()
            if (index(entry) or {}).get(name) != hashlib.sha256(content).hexdigest():
                return None
            used(entry / INDEX)
        except OSError:
            return None
        return content

    def write(self, kind: str, key: str, folder: Path) -> Path:
        """Copy ``folder`` into the cache as one entry, whole or not at all, and return the entry's folder.

        Raises Failure ``disk-full`` or ``not-writable``.
        """
        with refusals(f"keep {self.folder / kind / key} in the cache"):
            expected = digests(folder)
        return self._put(kind, key, expected, lambda staging: _copy(folder, staging))

    def keep(self, kind: str, key: str, name: str, content: bytes) -> None:
        """Write an entry of one file, under its lock. Raises as ``write`` does."""
        expected = {name: hashlib.sha256(content).hexdigest()}
        with self.lock(kind, key):
            self._put(kind, key, expected, lambda staging: (staging / name).write_bytes(content))

    def _put(self, kind: str, key: str, expected: Mapping[str, str], fill: Callable[[Path], object]) -> Path:
        """Put an entry in its place whose files ``fill`` writes into the folder that it is given; they are read back."""
        entry = self.folder / kind / key
        with refusals(f"keep {entry} in the cache"):
            self._make(entry.parent)
            with _staging(entry) as staging:
                fill(staging)
                (staging / INDEX).write_text(json.dumps(expected, indent=1, sort_keys=True))
                if wrong := damage(staging):
                    raise OSError(errno.EIO, f"it read back differently from what was written: {wrong}", str(entry))
                staging.chmod(0o755)
                sync_tree(staging)
                exchange(staging, entry)
                sync(entry.parent)
        return entry

    def _make(self, folder: Path) -> None:
        """Make a folder of the cache's own; whatever is in the way is the user's."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(self.folder, error) from error

    def remove(self, kind: str, key: str) -> None:
        """Remove an entry, where there is one."""
        entry = self.folder / kind / key
        if entry.exists():
            discard(entry)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str, stop: threading.Event | None = None) -> Iterator[None]:
        """Hold the key's advisory lock; it dies with the process that holds it.

        Waiting for another holder ends with CancelledError as soon as ``stop`` is set.
        """
        from concurrent.futures import CancelledError

        path = self.folder / LOCKS / f"{kind}-{key}"
        self._make(path.parent)
        while not (handle := locked(path)):
            if stop and stop.is_set():
                raise CancelledError
            time.sleep(POLL_SECONDS)
        with handle:
            yield

    @contextlib.contextmanager
    def lease(self) -> Iterator[None]:
        """Say, while the block runs, that entries read or written from now on are in use: no collector takes them."""
        self._make(self.folder / LEASES)
        with refusals(f"use the cache {self.folder}"):
            descriptor, name = tempfile.mkstemp(dir=self.folder / LEASES)
        with os.fdopen(descriptor, "w") as handle:
            _lock(handle)
            try:
                yield
            finally:
                with refusals(f"use the cache {self.folder}"):
                    Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def refusals(what: str, code: str = "not-writable") -> Iterator[None]:
    """Turn what the machine refuses inside the block into a Failure with exit code 8; a mistake of ours stays one."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        raise Failure(environment_failure(error, what, code)) from error


def unusable(folder: Path, error: OSError) -> Failure:
    """Return the Failure, with exit code 8, for a cache that there cannot be in ``folder``."""
    found = environment_failure(error, f"use the cache {folder}")
    return Failure(replace(found, hint=found.hint or "EDGEC_CACHE names the folder that the cache lies in"))


def locked(path: Path) -> IO[str] | None:
    """Return the open lock file ``path``, now held, or None while somebody else holds it; closing it lets go.

    A file that a collector removed meanwhile locks nothing: it does not count as held.
    """
    with refusals(f"lock {path}"):
        handle = path.open("a")
    try:
        if _lock(handle) and path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):
            return handle
    except FileNotFoundError:  # removed between the two looks at it
        pass
    except BaseException:
        handle.close()
        raise
    handle.close()
    return None


def _lock(handle: IO[str] | int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def default_folder() -> Path:
    """Return ``$EDGEC_CACHE``, or the user's cache folder for edgec; it need not be there yet.

    Raises Failure ``not-writable`` where something else is in its place, or the user has no home.
    """
    if chosen := os.environ.get("EDGEC_CACHE"):
        folder = Path(chosen)
    else:
        import platformdirs

        try:
            folder = Path(platformdirs.user_cache_dir("edgec"))
        except RuntimeError as error:  # as of a container's user without HOME and without a line in /etc/passwd
            homeless = OSError(errno.ENOENT, "HOME is not set, and this user has no home folder")
            raise unusable(Path("~/.cache/edgec"), homeless) from error
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise unusable(folder, error) from error
    return folder


def damage(entry: Path) -> str | None:
    """Return what is wrong with an entry's folder, every file hashed, or None where it is whole."""
    listed = index(entry)
    if listed is None:
        return f"{INDEX} is missing or cannot be read"
    try:
        found = digests(entry)
    except FileNotFoundError as error:  # a collector removes it just now
        return f"{os.path.relpath(error.filename, entry)} is missing"
    changed = [name for name in sorted(listed.keys() | found.keys()) if listed.get(name) != found.get(name)]
    if not changed:
        return None
    name = changed[0]
    return f"{name} is missing" if name not in found else f"{name} is not what was put in"


def digests(entry: Path) -> dict[str, str]:
    """Return the sha256 of every file below ``entry`` but its index, by relative path."""
    return {
        path.relative_to(entry).as_posix(): sha256_of(path)
        for path in sorted(entry.rglob("*"))
        if path.is_file() and path.relative_to(entry).as_posix() != INDEX
    }


def index(entry: Path) -> dict[str, str] | None:
    """Return an entry's index, None where there is none that can be read."""
    try:
        found = json.loads((entry / INDEX).read_text())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def discard(entry: Path) -> None:
    """Remove an entry: in one step it is none any more, and what is left of it begins with a dot."""
    aside = Path(tempfile.mkdtemp(prefix=f".{entry.name[:12]}-", dir=entry.parent))
    try:
        entry.rename(aside / "entry")
    except FileNotFoundError:  # another process was faster
        pass
    finally:
        shutil.rmtree(aside)


@contextlib.contextmanager
def _staging(entry: Path) -> Iterator[Path]:
    """Give an empty folder beside ``entry``, locked as long as it is written; those that the killed left go."""
    prefix = f".{entry.name[:12]}-"
    for left in entry.parent.glob(f"{prefix}*"):
        if abandoned(left):
            shutil.rmtree(left)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=entry.parent))
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield staging
    finally:
        os.close(descriptor)
        if staging.exists():
            shutil.rmtree(staging)


def abandoned(staging: Path) -> bool:
    """Whether nobody writes into a staging folder any more."""
    try:
        descriptor = os.open(staging, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def used(path: Path) -> None:
    """Note when an entry was last of use: on its index, or on the folder of one that has none.

    A cache that can only be read has no collector.
    """
    try:
        os.utime(path)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise


def _copy(folder: Path, staging: Path) -> None:
    """Copy what ``folder`` holds, with its permissions. ``shutil.copytree`` would hide what the machine refused."""
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    for path in sorted(folder.rglob("*")):
        place = staging / path.relative_to(folder)
        if path.is_dir():
            place.mkdir()
        else:
            shutil.copy(path, place)
