"""Files by their sha256 in a folder that several machines share: put there once, verified whenever one is fetched."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgec.diagnostics import Diagnostic, Failure


@dataclass(frozen=True, kw_only=True)
class SharedStore:
    """``folder`` holds ``blobs/sha256/<hex>``, as an OCI image layout does; a file is whole there or not there."""

    folder: Path

    def put(self, path: Path, sha256: str) -> None:
        """Copy the file at ``path`` into the store, where it is not there yet.

        Raises Failure ``digest-mismatch`` where it is not the file of that digest any more; OSError.
        """
        blob = self._place(sha256)
        if blob.is_file() and blob.stat().st_size == path.stat().st_size:
            return
        blob.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{sha256[:12]}-", dir=blob.parent)
        staged = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle, path.open("rb") as source:
                found = _copied(source, handle)
            if found != sha256:
                raise Failure(Diagnostic(code="digest-mismatch", message=f"{path} changed while it was put into the store"))
            staged.chmod(0o644)
            staged.replace(blob)
        finally:
            staged.unlink(missing_ok=True)

    def fetch(self, sha256: str, path: Path) -> bool:
        """Copy a file of the store to the new ``path``; False where it is not there. A damaged one is removed: False too.

        Raises OSError.
        """
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


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy one open file into another and return the sha256 of what went through."""
    digest = hashlib.sha256()
    while piece := source.read(1 << 20):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()
