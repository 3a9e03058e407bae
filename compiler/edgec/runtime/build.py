"""The native runner's build: templates/runner compiled and linked for one architecture, its glibc floor checked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgec.artifacts.bundle import Runner
from edgec.artifacts.document import Json
from edgec.diagnostics import Diagnostic, Failure
from edgec.resources import resource
from edgec.runtime import process
from edgec.runtime.elf import read_needs
from edgec.runtime.packs import Pack
from edgec.runtime.toolchain import Toolchain
from edgec.store.files import sha256_of

TIME_LIMIT_SECONDS = 600
RUN_PATH = "$ORIGIN/../lib"
UNIT, OBJECT = "runner.cpp", "runner.o"
PORTABLE = "executorch/runtime/core/portable_type/c10"
FLAGS = (
    *("-std=c++17", "-O2", "-g0", "-fPIE", "-pthread", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"),
    # The resize is compared with Pillow's bit for bit: no fused multiply-add where Pillow has none.
    *("-ffp-contract=off", "-fno-strict-aliasing", "-fstack-protector-strong"),
    *("-Wall", "-Wextra", "-Wpedantic", "-Werror"),
    *("-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_EVENT_TRACER_ENABLED"),
)
LINK = (
    *("-nostdlib++", "-pie", "-s", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-z,relro", "-Wl,-z,now"),
    # The distribution's libstdc++ and libgcc ask for a newer glibc than the floor; only the runner's own needs count.
    *("-Wl,--allow-shlib-undefined", f"-Wl,-rpath,{RUN_PATH}", "-Wl,--enable-new-dtags"),
)
CEILINGS: tuple[tuple[str, dict[str, str]], ...] = (
    # What a system with that glibc ships beside it: Ubuntu 18.04 (gcc 8), 20.04 (gcc 10), 22.04 (gcc 12).
    ("2.27", {"GLIBCXX": "3.4.25", "CXXABI": "1.3.11", "GCC": "8.0.0"}),
    ("2.31", {"GLIBCXX": "3.4.28", "CXXABI": "1.3.12", "GCC": "10.0.0"}),
    ("2.35", {"GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "12.0.0"}),
)
OLDEST_GLIBC = CEILINGS[0][0]
"""The runtime's libraries need it, whatever the model."""


def compiled_key(
    architecture: str, glibc: str, wheel_sha256: str, toolchain: Toolchain, made_of: Mapping[str, Json] | None = None
) -> str:
    """Return the sha256 of everything that the object file of the runner's sources depends on: all but the libraries."""
    parts = {
        **(recipe() if made_of is None else made_of),
        "architecture": architecture,
        "glibc": glibc,
        "pack": wheel_sha256,
        "toolchain": dict(toolchain.identity),
    }
    return _digest(parts)


def runner_key(
    architecture: str,
    glibc: str,
    libraries: tuple[str, ...],
    wheel_sha256: str,
    toolchain: Toolchain,
    made_of: Mapping[str, Json] | None = None,
) -> str:
    """Return the sha256 of everything that the runner's bytes depend on; ``made_of`` is ``recipe()``, where it is at hand."""
    compiled = compiled_key(architecture, glibc, wheel_sha256, toolchain, made_of)
    return _digest({"compiled": compiled, "libraries": list(libraries)})


def _digest(parts: Json) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recipe() -> dict[str, Json]:
    """Return the digests of the runner's sources and of the code that compiles them."""
    return {
        "sources": {path.relative_to(_sources()).as_posix(): sha256_of(path) for path in _files()},
        "compiler": [sha256_of(Path(__file__)), sha256_of(Path(__file__).with_name("toolchain.py"))],
    }


def compile_runner(pack: Pack, toolchain: Toolchain, workdir: Path, stop: threading.Event | None = None) -> Path:
    """Compile the runner's sources in ``workdir`` and return the object file, the same for every set of libraries.

    Raises Failure ``runner-not-built`` with the compiler's first error. Setting ``stop`` ends the compiler.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    unit, compiled = workdir / UNIT, workdir / OBJECT
    # One translation unit: the standard library's and the runtime's headers are parsed once, not in every file.
    unit.write_text("".join(f'#include "{path.name}"\n' for path in _files() if path.suffix == ".cpp"))
    run_compiler(compile_command(pack, toolchain, unit, compiled), workdir, stop)
    return compiled


def link_runner(
    compiled: Path,
    architecture: str,
    glibc: str,
    libraries: tuple[str, ...],
    pack: Pack,
    toolchain: Toolchain,
    workdir: Path,
    stop: threading.Event | None = None,
) -> Runner:
    """Link and strip the runner in ``workdir`` and return it with the libraries that go beside it.

    Raises Failure ``runner-not-built`` with the linker's first error, or when the result needs a newer system than
    glibc ``glibc`` and the libstdc++ of its time. Setting ``stop`` ends the linker.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    executable = workdir / "edgec-run"
    run_compiler(link_command(libraries, pack, toolchain, compiled, executable), workdir, stop)
    shared = tuple(pack.libraries / name for name in libraries)
    wrong = [line for path in (executable, *shared) for line in above_floor(path, architecture, glibc)]
    if wrong or read_needs(executable).run_path != RUN_PATH:
        raise _failed("; ".join(dict.fromkeys(wrong)) or "the linker left another run path than it was given")
    executable.chmod(0o755)
    return Runner(executable=executable, libraries=shared, toolchain=dict(toolchain.identity))


def compile_command(pack: Pack, toolchain: Toolchain, unit: Path, compiled: Path) -> list[str]:
    """Return the command that compiles ``unit`` to the object file ``compiled``."""
    sources = _sources()
    includes = [f"-I{sources}", f"-I{sources / 'shim'}", *(f"-I{folder}" for folder in toolchain.headers)]
    includes += [f"-isystem{toolchain.stb.parent}", f"-isystem{pack.include}", f"-isystem{pack.include / PORTABLE}"]
    places = ((unit.parent, "build"), (sources, "runner"), (pack.include, "include"))
    maps = [f"-ffile-prefix-map={place}={name}" for place, name in places]
    return [*toolchain.command, "-nostdinc++", *FLAGS, *includes, *maps, "-c", str(unit), "-o", str(compiled)]


def link_command(
    libraries: tuple[str, ...], pack: Pack, toolchain: Toolchain, compiled: Path, executable: Path
) -> list[str]:
    """Return the command that links ``compiled`` with these libraries."""
    # A delegate or kernel library registers itself when it is loaded; nothing in the runner names it.
    shared = ["-Wl,--no-as-needed", *(str(pack.libraries / name) for name in libraries)]
    system_libraries = [str(path) for path in toolchain.libraries]
    return [*toolchain.command, "-pthread", str(compiled), *LINK, *shared, *system_libraries, "-o", str(executable)]


def above_floor(path: Path, architecture: str, glibc: str) -> list[str]:
    """Return a sentence for each way in which an ELF file would not start on ``architecture`` with ``glibc``."""
    needs = read_needs(path)
    wrong = [] if needs.machine == architecture else [f"{path.name} is for {needs.machine}, not {architecture}"]
    if numbers(glibc) < numbers(OLDEST_GLIBC):
        return [*wrong, f"glibc {glibc} is older than {OLDEST_GLIBC}, the oldest that the runtime starts on"]
    ceilings = _ceilings(glibc)
    for version in sorted({version for versions in needs.versions.values() for version in versions}):
        family, _, number = version.partition("_")
        if family not in ceilings:
            wrong.append(f"{path.name} needs {version}, which has no place in the floor")
        elif numbers(number) > numbers(ceilings[family]):
            wrong.append(f"{path.name} needs {version}, the target has {family}_{ceilings[family]}")
    return wrong


def _ceilings(glibc: str) -> dict[str, str]:
    fitting = [row for floor, row in CEILINGS if numbers(floor) <= numbers(glibc)]
    return {**fitting[-1], "GLIBC": glibc}


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's parts as numbers; one that is no version is newer than all."""
    return tuple(int(part) for part in version.split(".")) if version.replace(".", "").isdigit() else (10**9,)


def run_compiler(command: Sequence[str], workdir: Path, stop: threading.Event | None = None) -> None:
    """Run the compiler in ``workdir`` until ``stop`` is set; raises Failure ``runner-not-built`` with its first error."""
    # The compiler's own cache lives with the runner's: what is built never depends on what else was built here.
    environment = {**os.environ, "LC_ALL": "C", "ZIG_LOCAL_CACHE_DIR": str(workdir / "zig")}
    try:
        done = process.run(command, seconds=TIME_LIMIT_SECONDS, stop=stop, cwd=workdir, env=environment)
    except subprocess.TimeoutExpired:
        raise _failed(f"the compiler did not finish in {TIME_LIMIT_SECONDS} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error: " in line] or done.stderr.splitlines()
        raise _failed(lines[0] if lines else f"the compiler ended with {done.returncode}")


def _sources() -> Path:
    return resource("templates", "runner")


def _files() -> list[Path]:
    return sorted(path for path in _sources().rglob("*") if path.suffix in (".cpp", ".h"))


def _failed(why: str) -> Failure:
    return Failure(Diagnostic(code="runner-not-built", message=f"the native runner could not be built: {why}"))
