"""The answer to a question that was asked before: told again where nothing it rests on has changed, without planning anew.

It rests on what the program read while it found every bundle unchanged (``reads``), on the program itself and its
surroundings, and on the bundles: each of their files is hashed every time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgec import reads
from edgec.artifacts.settings import Settings
from edgec.cores import shared
from edgec.reads import Reads
from edgec.resources import resource
from edgec.runtime.host import cpu_name
from edgec.store import bundles
from edgec.store.cache import Cache
from edgec.versions import installed, runner_digest, source_digest, templates_digest, tree_digest

KIND, FILE = "answer", "record.json"

SHELL = frozenset(("_", "SHLVL", "OLDPWD"))
"""Variables that a shell changes between two equal commands."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked, and where an answer to it is kept: ``key`` digests the words, the folder and how it is printed."""

    key: str
    cache: Cache
    skipped: tuple[str, ...]

    def answer(self) -> tuple[str, str] | None:
        """Return what to print on standard output and standard error, or None where there is something to look at."""
        try:
            content = self.cache.peek(KIND, self.key, FILE)
            record = json.loads(content) if content else None
            if record is None or record["conditions"] != conditions() or not reads.still(record["files"], record["folders"]):
                return None
            return (record["out"], record["err"]) if _whole(record["bundles"]) else None
        except OSError:  # something goes while it is looked at: the build will say what
            return None

    def keep(
        self, seen: Reads, inputs: Iterable[str], written: Iterable[tuple[Path, str]], out: str, err: str
    ) -> None:
        """Keep an answer with what was ``seen`` for it; ``written`` are the files and folders of bundles with digests.

        Nothing is kept where something has changed meanwhile, where the answer rests on more than files, or where one of the
        ``inputs`` is not among those that were seen: it lies where nobody looks. Raises Failure and OSError.
        """
        if seen.elsewhere or not reads.still(seen.files, seen.folders):
            return
        if any(reads.absolute(path) not in seen.files for path in inputs):
            return
        record = {
            "conditions": conditions(),
            "files": seen.files,
            "folders": seen.folders,
            "bundles": [[os.path.abspath(path), digest] for path, digest in written],  # noqa: PTH100
            "out": out,
            "err": err,
        }
        self.cache.keep(KIND, self.key, FILE, json.dumps(record).encode())


def question(paths: Sequence[Path], settings: Settings, printed: Sequence[Any]) -> Question | None:
    """Return the Question of a build, ``printed`` as these options say; None for one whose answer is never kept.

    That is: without a cache, on a cluster, and of what changed since a revision, which only git knows.
    """
    if settings.cache is None or settings.scheduler or settings.since is not None:
        return None
    try:
        words = [os.getcwd(), [str(path) for path in paths], repr(settings), list(printed)]  # noqa: PTH109
    except FileNotFoundError:  # the working folder is gone
        return None
    named = (*paths, settings.root, settings.out, settings.policy)
    words.append([os.path.realpath(path) for path in named if path])  # a link that leads elsewhere is another question
    key = hashlib.sha256(json.dumps(words).encode()).hexdigest()
    return Question(key=key, cache=Cache(folder=settings.cache), skipped=(os.path.abspath(settings.cache),))  # noqa: PTH100


def conditions() -> str:
    """Return the sha256 over the program and what is around it: code, templates, packages, Python, machine, environment."""
    found = [
        source_digest(),
        templates_digest(),
        runner_digest(),
        tree_digest(resource("schemas")),
        installed(),
        [sys.version, sys.executable, zlib.ZLIB_RUNTIME_VERSION],
        [platform.system(), platform.machine(), cpu_name(), os.cpu_count(), os.geteuid() if hasattr(os, "geteuid") else 0],
        sorted(item for item in os.environ.items() if item[0] not in SHELL),
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _whole(bundles_: Sequence[tuple[str, str]]) -> bool:
    """Whether every file and folder has its digest; the hashing is shared among the cores."""

    def same(found: tuple[str, str]) -> bool:
        return bundles.fingerprint(Path(found[0])) == found[1]

    return all(shared(same, bundles_))
