"""What takes part in every build beside its inputs: edgec's own code and templates by digest, packages by version."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from edgec import reads
from edgec.resources import PACKAGE, resource


@functools.cache
def source_digest() -> str:
    """Return the sha256 over edgec's own code and tables, names and contents."""
    return tree_digest(PACKAGE, (".py", ".json", ".txt", ".c"))


@functools.cache
def templates_digest() -> str:
    """Return the sha256 over what bundles are rendered from; the runner's source has its own place in the runner's key."""
    folders = sorted(path for path in resource("templates").iterdir() if path.is_dir() and path.name != "runner")
    return hashlib.sha256("".join(tree_digest(folder) for folder in folders).encode()).hexdigest()


@functools.cache
def runner_digest() -> str:
    """Return the sha256 over the runner's sources, for bundles that hold them."""
    return tree_digest(resource("templates", "runner"))


def tree_digest(folder: Path, suffixes: tuple[str, ...] = ()) -> str:
    """Return the sha256 over the names and contents of all files below ``folder``, or of those that end so."""
    found = hashlib.sha256()
    for name, path in sorted(_files(str(folder))):
        if not suffixes or name.endswith(suffixes):
            found.update(name.encode() + b"\0")
            found.update(reads.sha256(path).digest())
    return found.hexdigest()


def _files(folder: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name in ``folder`` and the path of every file below it; text, and no Path: hundreds before each build."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{prefix}{entry.name}/") if entry.name != "__pycache__" else ()
            elif entry.is_file():
                yield f"{prefix}{entry.name}", entry.path


@functools.cache
def installed() -> dict[str, str]:
    """Return installed packages' versions from their folders' names (PEP 491); importlib.metadata takes 15 ms to import."""
    found: dict[str, str] = {}
    for place in filter(os.path.isdir, sys.path):
        with os.scandir(place) as entries:
            names = [entry.name.removesuffix(".dist-info") for entry in entries if entry.name.endswith(".dist-info")]
        for name, _, version in (text.partition("-") for text in names):
            found.setdefault(name.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))
