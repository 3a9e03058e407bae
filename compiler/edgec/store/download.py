"""Blobs from a registry to files: whole and of their digest, or not there; a cut one is continued."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgec.artifacts.oci import Descriptor
from edgec.artifacts.reference import DIGEST
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.atomic import sync
from edgec.store.cache import used
from edgec.store.faults import Attempts, Fault, connection
from edgec.store.files import sha256_of
from edgec.store.oci import mismatch
from edgec.store.transport import Session

BLOCK = 1 << 16
PARTIAL = ".part"
LEAST_STEP, STEP = 1 << 16, 1 << 20
"""Fewest and most bytes after which attempts are counted anew; in between it is a hundredth of the blob."""


def pull_blob(session: Session, wanted: Descriptor, folder: Path) -> Path:
    """Return ``folder/<hex>``, the blob's file: one that is there is hashed again, a partial one continued.

    Two processes may ask for one blob at once. Raises Failure ``digest-mismatch`` (nothing is kept then),
    ``registry-refused``, ``registry-unreachable``; OSError.
    """
    if not DIGEST.fullmatch(wanted.digest):
        raise Failure(Diagnostic(code="bundle-broken", message=f"{wanted.digest!r} is not a sha256 digest"))
    name = wanted.digest.partition(":")[2]
    path, partial = folder / name, folder / f"{name}{PARTIAL}"
    folder.mkdir(parents=True, exist_ok=True)
    with _held(partial) as handle:
        if path.is_file() and sha256_of(path) == name:
            partial.unlink(missing_ok=True)
            used(folder)
            return path
        resumed = os.fstat(handle.fileno()).st_size > 0
        found = _fetched(session, wanted, handle, partial)
        if found != name and resumed:  # the part that an earlier run left was not what it should be
            os.ftruncate(handle.fileno(), 0)
            found = _fetched(session, wanted, handle, partial)
        if found != name:
            partial.unlink()
            raise mismatch(f"a blob of {session.reference}", wanted.digest, f"sha256:{found}")
        partial.replace(path)
        sync(folder)
    return path


@contextlib.contextmanager
def _held(partial: Path) -> Iterator[IO[bytes]]:
    """Open a partial blob for appending, and let no other process do so meanwhile."""
    import fcntl

    while True:
        with partial.open("ab", buffering=0) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle.fileno()), partial.stat()):
                    yield handle
                    return


def _fetched(session: Session, wanted: Descriptor, handle: IO[bytes], partial: Path) -> str:
    """Fetch what is missing, through cut connections too, and return the sha256 of what then lies on the disk."""
    if os.fstat(handle.fileno()).st_size > wanted.size:
        os.ftruncate(handle.fileno(), 0)
    step = min(max(wanted.size // 100, LEAST_STEP), STEP)
    attempts = Attempts(session.reference, step, os.fstat(handle.fileno()).st_size)
    while (before := os.fstat(handle.fileno()).st_size) != wanted.size:
        try:
            _rest(session, wanted, handle, before)
        except Fault as fault:
            attempts.reached(os.fstat(handle.fileno()).st_size)
            attempts.wait(fault)
    os.fsync(handle.fileno())
    return sha256_of(partial)


def _rest(session: Session, wanted: Descriptor, handle: IO[bytes], offset: int) -> None:
    """Append the rest of a blob; a registry that knows no ranges sends it whole."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    with session.stream("GET", f"blobs/{wanted.digest}", (200, 206, 416), headers) as raw:
        begins = re.match(r"bytes ([0-9]{1,18})-", raw.headers.get("Content-Range", ""))
        if raw.status != 206 or not begins or int(begins[1]) != offset:
            os.ftruncate(handle.fileno(), 0)
            offset = 0
        if raw.status == 416 or (raw.status == 206 and (not begins or int(begins[1]) != offset)):
            raise Fault("it answered another range than was asked for")
        while True:
            try:
                with connection(session.reference):
                    block = raw.read1(BLOCK)  # ``read`` drops what came of a block before a cut
            except Fault as fault:
                raise Fault(f"the connection ended after {offset} of {wanted.size} bytes: {fault}") from None
            if not block:
                break
            offset += len(block)
            if offset > wanted.size:
                os.ftruncate(handle.fileno(), 0)
                raise mismatch(f"a blob of {session.reference}", f"{wanted.size} bytes", "longer")
            _write(handle, block)
    if offset != wanted.size:
        raise Fault(f"the connection ended after {offset} of {wanted.size} bytes")


def _write(handle: IO[bytes], block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[handle.write(rest) :]
