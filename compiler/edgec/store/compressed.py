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

from edgec.diagnostics import Failure
from edgec.store import archive
from edgec.store.cache import Cache
from edgec.store.files import sha256_of

KIND, FILE = "compressed", "member.gz"


def kept(cache: Cache, known: Mapping[Path, str]) -> Callable[[Path, IO[bytes]], None]:
    """Return ``archive.compress`` with a memory: what the cache holds of a file's content is copied from there.

    ``known`` are the files worth it, with their sha256: those that the next bundle will hold too. The bytes are those that
    ``archive.compress`` would write. Raises OSError.
    """

    def compress(path: Path, sink: IO[bytes]) -> None:
        try:
            entry = (cache.read(KIND, _key(known[path])) or _put(path, cache)) if path in known else None
        except Failure:  # the cache cannot take it; the tarball needs it all the same
            entry = None
        if entry is None:
            archive.compress(path, sink)
            return
        with (entry / FILE).open("rb") as found:
            shutil.copyfileobj(found, sink, 1 << 20)

    return compress


def _put(path: Path, cache: Cache) -> Path:
    key = _key(sha256_of(path))  # of what is there: a wrong entry would stay
    with tempfile.TemporaryDirectory(prefix="edgec-keep-") as folder, cache.lock(KIND, key):
        if entry := cache.read(KIND, key):  # another bundle of the same build holds the same runtime
            return entry
        with (Path(folder) / FILE).open("wb") as made:
            archive.compress(path, made)
        return cache.write(KIND, key, Path(folder))


def _key(sha256: str) -> str:
    text = json.dumps([sha256, archive.LEVEL, zlib.ZLIB_RUNTIME_VERSION])
    return hashlib.sha256(text.encode()).hexdigest()
