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

from edgec.store import archive
from edgec.store.cache import Cache
from edgec.store.files import sha256_of

KIND, FILE = "compressed", "member.gz"


def kept(cache: Cache) -> Callable[[Path, IO[bytes]], None]:
    """Return ``archive.compress`` with a memory: what the cache holds of a file's content is copied from there.

    The bytes are those that ``archive.compress`` would write. Raises OSError, and Failure where the cache refuses.
    """

    def compress(path: Path, sink: IO[bytes]) -> None:
        text = json.dumps([sha256_of(path), archive.LEVEL, zlib.ZLIB_RUNTIME_VERSION])
        key = hashlib.sha256(text.encode()).hexdigest()
        entry = cache.read(KIND, key)
        if entry is None:
            with tempfile.TemporaryDirectory(prefix="edgec-keep-") as folder, cache.lock(KIND, key):
                with (Path(folder) / FILE).open("wb") as made:
                    archive.compress(path, made)
                entry = cache.write(KIND, key, Path(folder))
        with (entry / FILE).open("rb") as found:
            shutil.copyfileobj(found, sink, 1 << 20)

    return compress
