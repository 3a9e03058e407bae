"""Large files of tarballs, compressed once: the artifact and the runtime are the same after each change of a budget."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from edgec.diagnostics import Diagnostic, Failure
from edgec.store import archive
from edgec.store.cache import Cache, index
from edgec.store.files import sha256_of

KIND, FILE = "compressed", "member.gz"


def kept(cache: Cache, known: Mapping[Path, str]) -> Callable[[Path, IO[bytes]], archive.Known | None]:
    """Return ``archive.compress`` with a memory: what the cache holds of a file's content is copied from there.

    ``known`` are the files worth it, with their sha256: those that the next bundle will hold too. The bytes are those that
    ``archive.compress`` would write; an entry was inflated when it was made. Raises OSError.
    """

    def compress(path: Path, sink: IO[bytes]) -> archive.Known | None:
        try:
            entry, content = (_found(known[path], cache) or _put(path, cache)) if path in known else (None, "")
        except Failure:  # the cache cannot take it; the tarball needs it all the same
            entry = None
        if entry is None:
            archive.compress(path, sink)
            return None
        with (entry / FILE).open("rb") as found:
            shutil.copyfileobj(found, sink, 1 << 20)
        return archive.Known(sha256=(index(entry) or {}).get(FILE, ""), content=content)

    return compress


Kept = tuple[Path, str]
"""An entry, and the sha256 of what its member inflates to."""


def _found(content: str, cache: Cache) -> Kept | None:
    entry = cache.read(KIND, _key(content))
    return (entry, content) if entry else None


def _put(path: Path, cache: Cache) -> Kept:
    content = sha256_of(path)  # of what is there: a wrong entry would stay
    with tempfile.TemporaryDirectory(prefix="edgec-keep-") as folder, cache.lock(KIND, _key(content)):
        if found := _found(content, cache):  # another bundle of the same build holds the same runtime
            return found
        with (Path(folder) / FILE).open("wb") as made:
            archive.compress(path, made)
        if archive.content_digest(Path(folder) / FILE) != content:
            raise Failure(Diagnostic(code="digest-mismatch", message=f"{path} does not inflate to what was compressed"))
        return cache.write(KIND, _key(content), Path(folder)), content


def _key(sha256: str) -> str:
    text = json.dumps([sha256, archive.LEVEL, zlib.ZLIB_RUNTIME_VERSION, "inflated"])
    return hashlib.sha256(text.encode()).hexdigest()
