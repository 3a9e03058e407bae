"""The sources of a microcontroller's bundle, built for this machine and run on it: do they work, and what memory they take."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.diagnostics import Diagnostic, Failure
from edgec.resources import resource
from edgec.runtime import process
from edgec.runtime.build import PORTABLE, run_compiler
from edgec.runtime.libraries import BACKENDS, libraries_for, unavailable_kernels
from edgec.runtime.packs import runtime_pack
from edgec.runtime.toolchain import SELF_TEST_GLIBC, toolchain

STAND_INS = ("EDGEC_STAND_IN_BACKENDS", "EDGEC_STAND_IN_KERNELS")
TIME_LIMIT_SECONDS = 900
GENEROUS = {"EDGEC_METHOD_POOL_BYTES": 64 << 20, "EDGEC_TEMPORARY_POOL_BYTES": 512 << 20}
"""Pools to count in: no program of a microcontroller comes near them."""

FLAGS = (
    *("-std=c++17", "-O2", "-g0", "-fPIE", "-pthread", "-Wall", "-Wextra", "-Werror"),
    *("-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_EVENT_TRACER_ENABLED"),
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a host build of a bundle's own sources said.

    ``ran``: every golden vector was run and agrees; else the program was only loaded, with stand-ins for what this
    machine has no code for. ``method`` and ``temporary`` are bytes of the pools in use at most; 0 where nothing ran.
    """

    ran: bool
    method: int
    temporary: int
    words: str


def tried(folder: Path, model: Path, backends: Iterable[str], kernels: Iterable[str], cache: Path, offline: bool) -> Trial:
    """Build the sources in ``folder`` (a bundle's ``src`` and ``include``) with the runtime's wheel, run them, and remove all.

    ``model`` is the program that they hold. Raises Failure ``tool-missing``, ``runtime-pack-missing``,
    ``runner-not-built`` or, where a golden vector is off or the program does not load, ``runner-failed``.
    """
    backends, kernels = tuple(backends), tuple(kernels)
    absent = (tuple(sorted(set(backends) - set(BACKENDS))), unavailable_kernels(kernels))
    linked = libraries_for([name for name in backends if name in BACKENDS], [name for name in kernels if name not in absent[1]])
    executable = built(folder, model, linked, absent, cache, offline, GENEROUS)
    words = _run(executable)
    return Trial(ran=not any(absent), method=_pool("method", words), temporary=_pool("temporary", words), words=words.strip())


def built(
    folder: Path,
    model: Path,
    linked: Iterable[str],
    absent: tuple[tuple[str, ...], tuple[str, ...]],
    cache: Path,
    offline: bool,
    definitions: Mapping[str, int],
) -> Path:
    """Compile and link a host build in ``folder`` and return it; ``absent`` are the backends and kernels to stand in for."""
    architecture = platform.machine()
    pack = runtime_pack(architecture, cache, offline)
    tools = toolchain(architecture, SELF_TEST_GLIBC)
    host = resource("templates", "microcontroller-host")
    names = [folder / "src" / "model.cpp", folder / "src" / "model_pte.S"]
    names += [host / "load_only.cpp", host / "stand_ins.cpp"] if any(absent) else [folder / "src" / "main.cpp"]
    given = [f"-D{name}={value}" for name, value in definitions.items()]
    given += [f"-D{name}={_listed(values)}" for name, values in zip(STAND_INS, absent, strict=True) if values]
    shim = resource("templates", "runner", "shim")
    includes = [f"-I{shim}", f"-I{folder / 'src'}", f"-I{folder / 'include'}", *(f"-I{place}" for place in tools.headers)]
    includes += [f"-isystem{pack.include}", f"-isystem{pack.include / PORTABLE}"]
    shared = [*("-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", f"-Wl,-rpath,{pack.libraries}", "-nostdlib++")]
    shared += [str(pack.libraries / name) for name in linked] + [str(path) for path in tools.libraries]
    executable = folder / "self-test"
    place = f'-DEDGEC_MODEL_FILE="{model}"'
    command = [*tools.command, "-nostdinc++", *FLAGS, "-DEDGEC_MODEL_IN_SECTION", place, *given, *includes]
    run_compiler([*command, *map(str, names), *shared, "-o", str(executable)], folder)
    return executable


def _listed(names: Iterable[str]) -> str:
    return ",".join(f'"{name}"' for name in names)


def _run(executable: Path) -> str:
    try:
        done = process.run([str(executable)], seconds=TIME_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise _failed(f"it did not end in {TIME_LIMIT_SECONDS} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if "FAIL" in line or "DIFFERS" in line]
        raise _failed("; ".join(lines) or f"exit code {done.returncode}")
    return done.stdout


def _pool(name: str, words: str) -> int:
    found = re.search(rf"^{name} pool: (\d+) of", words, re.MULTILINE)
    return int(found[1]) if found else 0


def _failed(why: str) -> Failure:
    message = f"the bundle's own self-test, built for this machine, fails: {why}"
    return Failure(Diagnostic(code="runner-failed", message=message))
