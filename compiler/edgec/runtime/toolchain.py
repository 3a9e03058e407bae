"""The compiler that builds the native runner for one architecture and glibc floor: found here, or named as missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec import reads
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.files import sha256_of

ZIG = "ziglang"
STB = ("/usr/include/stb/stb_image.h", "/usr/local/include/stb/stb_image.h")
TIME_LIMIT_SECONDS = 60
SELF_TEST_GLIBC = "2.27"
"""The floor of what is built to run here and go nowhere."""


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """``command`` runs the compiler; ``headers`` are libstdc++'s folders, ``libraries`` the system's to link with.

    ``identity`` is what the runner's bytes depend on beside its sources: names to versions and digests, no path.
    """

    command: tuple[str, ...]
    headers: tuple[Path, ...]
    libraries: tuple[Path, ...]
    stb: Path
    identity: Mapping[str, str]


def toolchain(architecture: str, glibc: str) -> Toolchain:
    """Return zig's C++ compiler with libstdc++ of the distribution's g++ for ``architecture``, targeting ``glibc``.

    zig carries every glibc's symbol versions and headers, so the floor holds whatever this machine runs; libstdc++
    must be the real one, because std::string and std::vector cross into the runtime's libraries.
    Raises Failure ``tool-missing`` that names everything absent in one line.
    """
    from importlib.metadata import version  # with email and socket 20 ms; a known toolchain needs none of it

    gcc = _gcc(architecture)
    stb = next((Path(place) for place in STB if Path(place).is_file()), None)
    zig = importlib.util.find_spec(ZIG)
    if gcc is None or stb is None or zig is None:
        raise _missing(architecture, gcc is None, stb is None, zig is None)
    headers = _headers(gcc)
    libraries = tuple(_library(gcc, name) for name in ("libstdc++.so.6", "libgcc_s.so.1"))
    configuration = next(folder / "bits/c++config.h" for folder in headers if (folder / "bits/c++config.h").is_file())
    return Toolchain(
        command=(sys.executable, "-m", ZIG, "c++", "-target", f"{architecture}-linux-gnu.{glibc}", "-mcpu=baseline"),
        headers=headers,
        libraries=libraries,
        stb=stb,
        identity={
            "ziglang": version(ZIG),
            "glibc": glibc,
            "c++config.h": sha256_of(configuration),
            "stb_image.h": sha256_of(stb),
            **{library.name: sha256_of(library) for library in libraries},
        },
    )


def compiler(architecture: str) -> tuple[str, str]:
    """Return the paths of the g++ and of the zig that ``toolchain`` would take, "" where there is none."""
    zig = importlib.util.find_spec(ZIG)
    for place in STB:
        reads.note(place)
    return _gcc(architecture) or "", (zig.origin or "") if zig else ""


def _gcc(architecture: str) -> str | None:
    names = [f"{architecture}-linux-gnu-g++", *(["g++"] if platform.machine() == architecture else [])]
    for name in names:
        for folder in os.get_exec_path():
            reads.note(Path(folder, name))
    return next((found for name in names if (found := shutil.which(name))), None)


def _headers(gcc: str) -> tuple[Path, ...]:
    """Return libstdc++'s include folders in the order that g++ searches them."""
    listing = _ask([gcc, "-E", "-x", "c++", "-v", "/dev/null"]).stderr
    places = (line.strip() for line in listing.splitlines() if line.startswith(" /"))
    return tuple(dict.fromkeys(Path(os.path.normpath(place)) for place in places if "/c++/" in place))


def _library(gcc: str, name: str) -> Path:
    return Path(os.path.realpath(_ask([gcc, f"-print-file-name={name}"]).stdout.strip()))


def _ask(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, timeout=TIME_LIMIT_SECONDS
    )


def _missing(architecture: str, gcc: bool, stb: bool, zig: bool) -> Failure:
    compiler = "g++" if platform.machine() == architecture else f"g++-{architecture.replace('_', '-')}-linux-gnu"
    packages = [name for name, absent in ((compiler, gcc), ("libstb-dev", stb)) if absent]
    steps = [f"apt-get install -y {' '.join(packages)}"] if packages else []
    steps += [f"{sys.executable} -m pip install '{_pinned()}'"] if zig else []
    names = [*packages, *([ZIG] if zig else [])]
    return Failure(
        Diagnostic(
            code="tool-missing",
            message=f"the runner for {architecture} cannot be built here without {', '.join(names)}",
            hint=f"run: {' && '.join(steps)}",
        )
    )


def _pinned() -> str:
    """Return the requirement of edgec's own that brings zig, as pip takes it."""
    from importlib.metadata import requires

    found = next((one for one in requires("edgec") or () if one.startswith(ZIG)), ZIG)
    return found.partition(";")[0].strip()
