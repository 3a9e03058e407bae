"""What a search that was killed had found out: kept beside its lowerings, gone as soon as a search ends by itself.

Lowerings are kept by the cache for good, by their inputs. Clocks are not like that: a figure is taken up again only by
the same search, on the same boot of the same machine, within MAX_AGE_SECONDS, so that none is passed off as new.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.store.cache import Cache

KIND = "unfinished"
FILE = "found.json"
MAX_AGE_SECONDS = 6 * 3600.0
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """One search's findings by a name for each; ``run`` digests what makes it this search."""

    cache: Cache
    run: str

    def kept(self, name: str) -> Json:
        """Return what was kept under ``name`` earlier in this search, or None."""
        content = self.cache.peek(KIND, self._key(name), FILE)
        found = json.loads(content) if content else None
        if not isinstance(found, dict) or found.get("boot") != _boot():
            return None
        return found["found"] if 0 <= time.time() - found["time"] <= MAX_AGE_SECONDS else None

    def keep(self, name: str, found: Json) -> None:
        """Keep ``found``, whole or not at all."""
        with tempfile.TemporaryDirectory(prefix="edgec-search-") as folder:
            record = {"boot": _boot(), "time": time.time(), "found": found}
            (Path(folder) / FILE).write_text(json.dumps(record, sort_keys=True), encoding="utf-8")
            self.cache.write(KIND, self._key(name), Path(folder))

    def forget(self, names: Iterable[str]) -> None:
        """Remove what was kept: the search has ended, and the next one measures anew."""
        for name in names:
            self.cache.remove(KIND, self._key(name))

    def _key(self, name: str) -> str:
        return hashlib.sha256(f"{self.run} {name}".encode()).hexdigest()


def _boot() -> str:
    return BOOT.read_text().strip() if BOOT.is_file() else ""
