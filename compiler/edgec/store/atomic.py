"""Files that appear whole or not at all: atomic writes, folders exchanged in one step, errors named."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO

from edgec.artifacts.bundle import File
from edgec.cores import waiting
from edgec.diagnostics import Diagnostic, Failure

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOCK = ".edgec-lock"
"""The lock file of an output folder: who holds it may replace what lies there."""
RENAME_EXCHANGE = 2
AT_FDCWD = -100


@contextlib.contextmanager
def environment_errors(what: str) -> Iterator[None]:
    """Turn an OSError inside the block into a Failure with exit code 8: ``disk-full`` or ``not-writable``."""
    try:
        yield
    except OSError as error:
        raise Failure(environment_failure(error, what)) from error


@contextlib.contextmanager
def read_errors(what: str) -> Iterator[None]:
    """Turn an OSError inside the block, which only reads, into a Failure with exit code 8: ``not-readable``."""
    try:
        yield
    except OSError as error:
        raise Failure(environment_failure(error, f"read {what}", "not-readable")) from error


def environment_failure(error: OSError, what: str, code: str = "not-writable") -> Diagnostic:
    """Return the Diagnostic for what the operating system refused while doing ``what`` (a verb phrase).

    It is ``disk-full`` where the disk is, else ``code``.
    """
    place = f" ({error.filename})" if error.filename else ""
    message = f"could not {what}: {error.strerror or error}{place}"
    if error.errno in FULL:
        return Diagnostic(code="disk-full", message=message, hint="free space and run again")
    return Diagnostic(code=code, message=message)


def write_file(path: Path, content: bytes, executable: bool = False) -> None:
    """Write a file whole or not at all: beside its place, synced, then renamed over it. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
    staged = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            finish(handle, executable)
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)  # Ctrl-C may come after it was renamed
        raise
    sync(path.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as ``write_file`` does, for whoever holds its folder's lock: what a killed call left is replaced too."""
    staged = path.with_name(f".{path.name}.new")
    try:
        with staged.open("wb") as handle:
            handle.write(content)
            finish(handle)
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_tree(folder: Path, files: Mapping[str, File]) -> None:
    """Create ``folder`` with these files (relative POSIX paths), modes 755 and 644; ``sync_tree`` is left to do.

    Raises OSError.
    """
    folder.mkdir()
    for name, file in sorted(files.items()):
        path = inside(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as handle:
            if isinstance(file.content, bytes):
                handle.write(file.content)
            else:
                with file.content.open("rb") as source:
                    shutil.copyfileobj(source, handle, 1 << 20)
            os.fchmod(handle.fileno(), mode(file.executable))
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        path.chmod(0o755)


def finish(handle: IO[bytes], executable: bool = False) -> None:
    """Give a written file its permissions, whatever the user's umask is, and force it to the disk."""
    handle.flush()
    os.fchmod(handle.fileno(), mode(executable))
    os.fsync(handle.fileno())


def mode(executable: bool) -> int:
    """Return the permissions of a written file."""
    return 0o755 if executable else 0o644


def inside(folder: Path, name: str) -> Path:
    """Return ``folder/name``; raises ValueError where the relative POSIX path ``name`` would lead out of it."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise ValueError(f"{name!r} is not a plain relative path")
    return folder.joinpath(*parts)


def sync(path: Path) -> None:
    """Force a file's content to the disk, or a folder's entries, so that a rename survives a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Force everything below a folder to the disk, and the folder itself. Raises OSError."""
    waiting(sync, (*folder.rglob("*"), folder))


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is below it; a link to one is refused. Raises OSError.

    A file at a time, a disk that frees what a file held at once (``discard``) takes longer than it took to write it.
    """
    if not folder.is_symlink():
        files = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
        waiting(partial(Path.unlink, missing_ok=True), files)
    shutil.rmtree(folder)


def exchange(staged: Path, final: Path) -> bool:
    """Put ``staged`` at ``final``; what was there is at ``staged`` afterwards. Returns whether something was.

    One step (renameat2) where the kernel and file system have it: ``final`` is then never missing. Elsewhere the
    old one steps aside first, and a kill between the two renames leaves it at ``staged`` + ``.old``. Raises OSError.
    """
    if not os.path.lexists(final):
        staged.rename(final)
        return False
    if not _rename_exchange(staged, final):
        aside = staged.with_name(staged.name + ".old")
        final.rename(aside)
        try:
            staged.rename(final)
        except BaseException:
            aside.rename(final)
            raise
        aside.rename(staged)
    return True


def _rename_exchange(first: Path, second: Path) -> bool:
    """Swap two paths in one step; False where this system cannot."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(second))


def _renameat2() -> Callable[..., int] | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function  # type: ignore[no-any-return]


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; it is removed afterwards, and dies with its process. Raises OSError."""
    while not (handle := _locked(path)):
        pass
    try:
        yield
    finally:
        try:
            path.unlink()
        finally:
            handle.close()


def hold(path: Path) -> IO[str]:
    """Make a lock file and hold it until it is closed, or this process ends. Raises OSError, where it is there already too."""
    import fcntl

    handle = path.open("x")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        path.unlink(missing_ok=True)
        handle.close()
        raise
    return handle


def is_held(path: Path) -> bool:
    """Whether a process holds this lock file; nobody holds one that is not there. Raises OSError."""
    import fcntl

    try:
        handle = path.open("r+")
    except (FileNotFoundError, IsADirectoryError):
        return False
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _locked(path: Path) -> IO[str] | None:
    """Wait for the lock; None when its holder removed the file that we waited for, which then locks nothing."""
    import fcntl

    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):
            return handle
    except FileNotFoundError:  # removed between the two looks at it
        pass
    except BaseException:
        handle.close()
        raise
    handle.close()
    return None
