"""The native runner for one target and one artifact's needs, from the cache where the same one was built before."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgec.artifacts.bundle import Runner
from edgec.artifacts.target import Target
from edgec.runtime.build import OBJECT, compile_runner, compiled_key, link_runner, runner_key
from edgec.runtime.identity import known_recipe, known_toolchain
from edgec.runtime.libraries import libraries_for
from edgec.runtime.openvino import BACKEND, openvino_libraries
from edgec.runtime.packs import PINNED, Pack, pinned_sha256, runtime_pack
from edgec.runtime.toolchain import Toolchain
from edgec.store.cache import Cache, index


def runner_for(
    target: Target,
    backends: Iterable[str],
    kernels: Iterable[str],
    cache: Cache,
    offline: bool,
    stop: threading.Event | None = None,
) -> Runner:
    """Return the runner for ``target`` with the libraries that ``backends`` and ``kernels`` need; ``stop`` ends a compiler.

    Raises Failure ``tool-missing``, ``backend-unavailable`` or ``runtime-pack-missing`` (exit 6).
    """
    backends = tuple(backends)
    wheel = pinned_sha256(target.architecture)
    libraries = libraries_for(backends, tuple(kernels), target.architecture)
    with cache.lock("runtime", target.architecture):
        pack = runtime_pack(target.architecture, cache.folder, offline, libraries)
        beside = openvino_libraries(cache.folder) if BACKEND in backends else {}
    checked = {pack.libraries / name: PINNED[target.architecture].libraries[name] for name in libraries}
    tools = known_toolchain(target.architecture, target.glibc, cache)
    key = runner_key(target.architecture, target.glibc, libraries, wheel, tools, known_recipe())
    if entry := cache.read("runner", key):
        return _runner(entry, checked | beside)
    key = runner_key(target.architecture, target.glibc, libraries, wheel, tools)
    with cache.lock("runner", key):
        entry = cache.read("runner", key)
        if entry is None:
            with cache.lock("runtime", target.architecture):
                pack = runtime_pack(target.architecture, cache.folder, offline)
            compiled = _compiled(target, pack, tools, cache, stop)
            with tempfile.TemporaryDirectory(prefix="edgec-runner-") as name:
                built = link_runner(
                    compiled, target.architecture, target.glibc, libraries, pack, tools, Path(name), stop
                )
                entry = _keep(built, cache, key)
    return _runner(entry, checked | beside)


def _compiled(target: Target, pack: Pack, tools: Toolchain, cache: Cache, stop: threading.Event | None) -> Path:
    """The object file of the runner's sources: artifacts that need other libraries share it."""
    key = compiled_key(target.architecture, target.glibc, pinned_sha256(target.architecture), tools)
    with cache.lock("compiled", key):
        entry = cache.read("compiled", key)
        if entry is None:
            with tempfile.TemporaryDirectory(prefix="edgec-runner-") as name:
                folder = Path(name) / "kept"
                folder.mkdir()
                shutil.copy(compile_runner(pack, tools, Path(name), stop), folder)
                entry = cache.write("compiled", key, folder)
    return entry / OBJECT


def _keep(built: Runner, cache: Cache, key: str) -> Path:
    with tempfile.TemporaryDirectory(prefix="edgec-runner-") as name:
        folder = Path(name)
        shutil.copy(built.executable, folder / "edgec-run")
        (folder / "toolchain.json").write_text(json.dumps(dict(built.toolchain), sort_keys=True))
        return cache.write("runner", key, folder)


def _runner(entry: Path, libraries: Mapping[Path, str]) -> Runner:
    executable = entry / "edgec-run"
    return Runner(
        executable=executable,
        libraries=tuple(libraries),
        toolchain=json.loads((entry / "toolchain.json").read_text()),
        sha256={**libraries, executable: (index(entry) or {}).get(executable.name, "")},
    )
