"""Templates compiled once: kept where Python keeps this package's own compiled modules, and trusted as those are."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgec.versions import source_digest

if TYPE_CHECKING:
    from jinja2.bccache import Bucket, BytecodeCache

FOLDER = Path(importlib.util.cache_from_source(__file__)).parent
"""``__pycache__`` beside this module, or its place below PYTHONPYCACHEPREFIX."""


def compiled(options: str, folder: Path = FOLDER) -> BytecodeCache:
    """Return what reads a template compiled from the same text, by the same edgec and Jinja, for an environment of ``options``.

    Anything else is compiled anew and written, unless Python is not to write its own (PYTHONDONTWRITEBYTECODE) or may not.
    """
    import jinja2
    from jinja2.bccache import FileSystemBytecodeCache

    origin = f"{source_digest()} {jinja2.__version__} {options}\n"  # constants are folded with edgec's filters

    class Compiled(FileSystemBytecodeCache):
        def get_source_checksum(self, source: str) -> str:
            return hashlib.sha256((origin + source).encode()).hexdigest()

        def load_bytecode(self, bucket: Bucket) -> None:
            try:
                super().load_bytecode(bucket)
            except Exception:  # whatever a damaged file makes of unpickling: it is compiled and written anew
                bucket.reset()

        def dump_bytecode(self, bucket: Bucket) -> None:
            if not sys.dont_write_bytecode:
                with contextlib.suppress(OSError):
                    os.makedirs(self.directory, exist_ok=True)  # noqa: PTH103 (as Python makes it)
                    super().dump_bytecode(bucket)
                    shutil.copymode(__file__, self._get_cache_filename(bucket))

    name = hashlib.sha256(options.encode()).hexdigest()[:12]
    return Compiled(str(folder), f"template-{name}-%s.{sys.implementation.cache_tag}.pyc")
