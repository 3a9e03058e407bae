"""Which runner a build would get, known without compiling it and without hashing a toolchain that nobody has touched."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

from edgec import reads
from edgec.artifacts.document import Json
from edgec.artifacts.target import Target
from edgec.marks import mark
from edgec.runtime.build import recipe, runner_key
from edgec.runtime.host import cpu_name
from edgec.runtime.libraries import libraries_for
from edgec.runtime.packs import pinned_sha256
from edgec.runtime.toolchain import SELF_TEST_GLIBC, Toolchain, compiler, toolchain
from edgec.store.cache import Cache

KIND = "toolchain"
FILE = "toolchain.json"


def runner_identity(target: Target, backends: Iterable[str], kernels: Iterable[str], cache: Cache) -> str:
    """Return the key of the runner for ``target`` and an artifact that needs ``backends`` and ``kernels``.

    Raises Failure ``tool-missing``, ``runtime-pack-missing``, ``backend-unavailable`` or ``operator-unavailable``.
    """
    libraries = libraries_for(tuple(backends), tuple(kernels), target.architecture)
    tools = known_toolchain(target.architecture, target.glibc, cache)
    return runner_key(target.architecture, target.glibc, libraries, pinned_sha256(target.architecture), tools, known_recipe())


def self_test_identity(cache: Cache) -> str:
    """Return the key of what builds and runs a microcontroller's self-test on this machine. Raises as ``runner_identity``."""
    tools = known_toolchain(platform.machine(), SELF_TEST_GLIBC, cache)
    parts = [platform.machine(), cpu_name(), pinned_sha256(platform.machine()), dict(tools.identity)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@functools.cache
def known_recipe() -> dict[str, Json]:
    """Return ``recipe()`` as it was when it was first asked for: hundreds of targets ask, and nothing is built under it."""
    return recipe()


def known_toolchain(architecture: str, glibc: str, cache: Cache) -> Toolchain:
    """Return ``toolchain(…)``, from the cache where none of its files has changed since: finding it takes three processes.

    A file counts as unchanged while its mark is the same. Raises Failure ``tool-missing``.
    """
    key = hashlib.sha256(f"{architecture} {glibc} {sys.executable}".encode()).hexdigest()
    content = cache.peek(KIND, key, FILE)
    record = json.loads(content) if content else None
    if record and record["compiler"] == _compiler(architecture) and record["marks"] == _marks(record["marks"]):
        return _toolchain(record["toolchain"])
    found = toolchain(architecture, glibc)
    tools = [Path(path).resolve() for path in compiler(architecture) if path]
    configuration = [folder / "bits/c++config.h" for folder in found.headers]
    files = [*tools, found.stb, *found.libraries, *(path for path in configuration if path.is_file()), *found.headers]
    kept = {
        "compiler": _compiler(architecture),
        "marks": _marks(str(path) for path in files),
        "toolchain": _record(found),
    }
    cache.keep(KIND, key, FILE, json.dumps(kept, sort_keys=True).encode())
    return found


def _compiler(architecture: str) -> list[str]:
    """The paths of the tools, and where they lead: /usr/bin/g++ is a link that an administrator may turn."""
    found = compiler(architecture)
    return [*found, *map(os.path.realpath, found)]


def _marks(paths: Iterable[str]) -> dict[str, list[int] | None]:
    found = {path: mark(path) for path in paths}
    for path in found:
        reads.note(path)
    return found


def _record(found: Toolchain) -> Json:
    return {
        "command": list(found.command),
        "headers": [str(path) for path in found.headers],
        "libraries": [str(path) for path in found.libraries],
        "stb": str(found.stb),
        "identity": dict(found.identity),
    }


def _toolchain(record: Json) -> Toolchain:
    return Toolchain(
        command=tuple(record["command"]),
        headers=tuple(Path(path) for path in record["headers"]),
        libraries=tuple(Path(path) for path in record["libraries"]),
        stb=Path(record["stb"]),
        identity=record["identity"],
    )
