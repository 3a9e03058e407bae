"""Files by their sha256 where several machines see them, a shared folder or a registry: put once, verified when fetched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from edgec.artifacts.oci import Descriptor
from edgec.artifacts.reference import is_reference, reference
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.atomic import finish, sync
from edgec.store.download import pull_blob
from edgec.store.faults import refused, retried, whole_number
from edgec.store.files import sha256_of
from edgec.store.transport import Session
from edgec.store.upload import OCTETS, push_blob

STAGED = re.compile(r"\.[0-9a-f]{12}-.+")
OLD_SECONDS = 86400.0
"""How long a file that is being put may lie unwritten: locks do not reach the other machines of every shared folder."""


class Store(Protocol):
    """Both kinds of it."""

    def __str__(self) -> str:
        """Return what ``store_at`` takes."""

    def put(self, path: Path, sha256: str) -> None:
        """Copy the file at ``path`` into the store, where it is not there yet.

        Raises Failure ``digest-mismatch`` where it is not the file of that digest any more; OSError.
        """

    def fetch(self, sha256: str, path: Path) -> bool:
        """Copy a file of the store to the new ``path``; False where it is not there. Raises OSError."""


def store_at(place: str) -> Store:
    """Return the store at ``oci://host/repository``, or in the folder ``place``.

    Raises Failure ``reference-invalid``, also for one with a tag or a digest: blobs have neither.
    """
    if not is_reference(place):
        return SharedStore(folder=Path(place).resolve())
    where = reference(place)
    if where.name:
        message = f"{place!r} names a release; a store is a repository"
        raise Failure(Diagnostic(code="reference-invalid", message=message, hint=f"write oci://{where.host}/{where.repository}"))
    return RegistryStore(session=Session(where, plain_http=False))


@dataclass(frozen=True, kw_only=True)
class RegistryStore:
    """Blobs of a repository that no manifest names. Network and refusals are Failures, as ``push`` and ``pull`` raise them."""

    session: Session

    def __str__(self) -> str:
        return str(self.session.reference)

    def put(self, path: Path, sha256: str) -> None:
        """Send the file where the registry lacks it; the registry compares the digest, and so does this."""
        if sha256_of(path) != sha256:
            raise changed(path)
        digest = f"sha256:{sha256}"
        push_blob(self.session, Descriptor(media_type=OCTETS, digest=digest, size=path.stat().st_size), path)

    def fetch(self, sha256: str, path: Path) -> bool:
        """Fetch the blob and compare its digest. Raises Failure ``digest-mismatch`` where the registry serves another."""
        where = self.session.reference
        answer = retried(where, lambda: self.session.ask("HEAD", f"blobs/sha256:{sha256}", (200, 404)))
        if answer.status == 404:
            return False
        size = whole_number(answer.headers.get("Content-Length", ""))
        if size is None:
            raise refused(where, f"it does not say how long the blob sha256:{sha256} is")
        wanted = Descriptor(media_type=OCTETS, digest=f"sha256:{sha256}", size=size)
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=path.parent) as folder:
            pull_blob(self.session, wanted, Path(folder)).rename(path)
        return True


@dataclass(frozen=True, kw_only=True)
class SharedStore:
    """``folder`` holds ``blobs/sha256/<hex>``, as an OCI image layout does; a file is whole there or not there."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)

    def put(self, path: Path, sha256: str) -> None:
        """Copy the file; see Store. What killed machines left when they put one goes after OLD_SECONDS."""
        blob = self._place(sha256)
        if blob.is_file() and blob.stat().st_size == path.stat().st_size:
            return
        blob.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{sha256[:12]}-", dir=blob.parent)
        staged = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle, path.open("rb") as source:
                _sweep(blob.parent, os.fstat(descriptor).st_mtime)
                found = _copied(source, handle)
                finish(handle)
            if found != sha256:
                raise changed(path)
            staged.replace(blob)
            sync(blob.parent)
        finally:
            staged.unlink(missing_ok=True)

    def fetch(self, sha256: str, path: Path) -> bool:
        """Copy it back; a damaged one is removed, and counts as not there."""
        blob = self._place(sha256)
        try:
            with blob.open("rb") as source, path.open("xb") as handle:
                found = _copied(source, handle)
        except FileNotFoundError:
            return False
        if found != sha256:
            path.unlink()
            blob.unlink(missing_ok=True)
        return found == sha256

    def _place(self, sha256: str) -> Path:
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"{sha256!r} is no sha256")
        return self.folder / "blobs" / "sha256" / sha256


def _sweep(folder: Path, now: float) -> None:
    """Remove staged files that nobody has written to for OLD_SECONDS; ``now`` is the time of the machine that holds them."""
    for staged in folder.glob(".*-*"):
        with contextlib.suppress(OSError):  # another machine was faster, or it is another user's
            if STAGED.fullmatch(staged.name) and now - staged.stat().st_mtime > OLD_SECONDS:
                staged.unlink()


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy one open file into another and return the sha256 of what went through."""
    digest = hashlib.sha256()
    while piece := source.read(1 << 20):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def changed(path: Path) -> Failure:
    """Return the Failure of a file that is not what it was when it was hashed."""
    return Failure(Diagnostic(code="digest-mismatch", message=f"{path} changed while it was put into the store"))
