"""Large files of tarballs, compressed once: the artifact and the runtime are the same after each change of a budget."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from edgec.diagnostics import Failure
from edgec.store import archive
from edgec.store.cache import Cache
from edgec.store.files import sha256_of

KIND, FILE = "compressed", "member.gz"


def kept(cache: Cache) -> Callable[[Path, IO[bytes]], None]:
    """Return ``archive.compress`` with a memory: what the cache holds of a file's content is copied from there.

    The bytes are those that ``archive.compress`` would write. Raises OSError.
    """

    def compress(path: Path, sink: IO[bytes]) -> None:
        text = json.dumps([sha256_of(path), archive.LEVEL, zlib.ZLIB_RUNTIME_VERSION])
        key = hashlib.sha256(text.encode()).hexdigest()
        try:
            entry = cache.read(KIND, key) or _put(path, key)
        except Failure:  # the cache cannot take it; the tarball needs it all the same
            archive.compress(path, sink)
            return
        with (entry / FILE).open("rb") as found:
            shutil.copyfileobj(found, sink, 1 << 20)

    def _put(path: Path, key: str) -> Path:
        with tempfile.TemporaryDirectory(prefix="edgec-keep-") as folder, cache.lock(KIND, key):
            with (Path(folder) / FILE).open("wb") as made:
                archive.compress(path, made)
            return cache.write(KIND, key, Path(folder))

    return compress
