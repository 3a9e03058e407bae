"""What holds only here and now: what a killed search had found out, and what a build clocked.

Lowerings are kept by the cache for good, by their inputs. Clocks are not like that: a figure is taken up again only on the
same boot of the same machine, within MAX_AGE_SECONDS, and says when it was clocked. What a search keeps is gone as soon as
it ends by itself.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.store.cache import Cache

KIND, CLOCKS = "unfinished", "clocks"
FILE = "found.json"
MAX_AGE_SECONDS = 6 * 3600.0
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """Findings by a name for each; ``run`` digests what makes it this search, or these clocks."""

    cache: Cache
    run: str
    kind: str = KIND

    def kept(self, name: str) -> Json:
        """Return what was kept under ``name`` earlier in this search, or None."""
        content = self.cache.peek(self.kind, self._key(name), FILE)
        found = json.loads(content) if content else None
        if not isinstance(found, dict) or found.get("boot") != _boot():
            return None
        return found["found"] if 0 <= time.time() - found["time"] <= MAX_AGE_SECONDS else None

    def keep(self, name: str, found: Json) -> None:
        """Keep ``found``, whole or not at all."""
        record = {"boot": _boot(), "time": time.time(), "found": found}
        self.cache.keep(self.kind, self._key(name), FILE, json.dumps(record, sort_keys=True).encode())

    def forget(self, names: Iterable[str]) -> None:
        """Remove what was kept: the search has ended, and the next one measures anew."""
        for name in names:
            self.cache.remove(self.kind, self._key(name))

    def _key(self, name: str) -> str:
        return hashlib.sha256(f"{self.run} {name}".encode()).hexdigest()


def _boot() -> str:
    return BOOT.read_text().strip() if BOOT.is_file() else ""
