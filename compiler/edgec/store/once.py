"""What is worked out once: a JSON record in the cache, under a key that digests all that it was made from."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable

from edgec.artifacts.document import Json
from edgec.store.cache import Cache
from edgec.versions import installed, source_digest

FILE = "record.json"


def once(cache: Cache | None, kind: str, parts: Json, make: Callable[[], Json]) -> Json:
    """Return what ``make`` makes of ``parts`` alone, as JSON data; read again where the same edgec, on the same Python and
    packages, made it before. Without a cache it is made each time. Raises Failure ``disk-full`` or ``not-writable``.
    """
    if cache is None:
        return make()
    made_by = [source_digest(), installed(), sys.version]
    key = hashlib.sha256(json.dumps([made_by, parts], sort_keys=True).encode()).hexdigest()
    content = cache.peek(kind, key, FILE)
    if content is None:
        content = json.dumps(make()).encode()
        cache.keep(kind, key, FILE, content)
    return json.loads(content)  # the first time too, so that it is the same as ever after
