"""qemu-user as a target's stand-in: the command that runs its executables, and the /proc/cpuinfo that they see."""

from __future__ import annotations

import contextlib
import functools
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.target import Target
from edgec.diagnostics import Diagnostic, Failure
from edgec.runtime.host import same_kind
from edgec.runtime.verification import Place

SYSTEM = ("lib", "lib64", "usr", "etc")
LOADERS = {"aarch64": "lib/ld-linux-aarch64.so.1", "x86_64": "lib64/ld-linux-x86-64.so.2"}


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """``command`` goes before an executable and its arguments; ``cpuinfo`` stands for /proc/cpuinfo."""

    command: tuple[str, ...]
    cpuinfo: Path


@contextlib.contextmanager
def place_for(target: Target, emulate: bool = False) -> Iterator[Place]:
    """Yield how the target's programs run here: natively where this machine is of its kind, else emulated.

    ``emulate`` takes the emulator in any case: it shows only what the target's processor has. The emulator's system root
    lasts as long as the block. Raises Failure as ``emulator`` does.
    """
    if same_kind(target) and not emulate:
        yield Place(evidence="host")
        return
    with tempfile.TemporaryDirectory(prefix="edgec-emulator-") as name:
        found = emulator(target, Path(name))
        yield Place(evidence="emulated", emulator=found.command, environment={"EDGEC_CPUINFO": str(found.cpuinfo)})


def emulator(target: Target, workdir: Path) -> Emulator:
    """Return qemu-user with the target's ``-cpu`` and a system root built in ``workdir`` out of links.

    qemu gives a program the host's /proc/cpuinfo, by which XNNPACK would choose kernels for the wrong chip; a file at
    that path under the ``-L`` folder comes first. Raises Failure ``tool-missing`` that names the packages.
    """
    if target.kind != "linux-native":
        message = f"{target.name} cannot be emulated here: {target.emulation or 'its programs are not for Linux'}"
        raise Failure(Diagnostic(code="tool-missing", message=message))
    program = shutil.which(f"qemu-{target.architecture}") or shutil.which(f"qemu-{target.architecture}-static")
    system = _system(target.architecture)
    if program is None or system is None or not target.qemu_cpu:
        raise _missing(target, program is None, system is None)
    if target.qemu_cpu not in (known := _cpus(program)) and known:
        why = target.emulation or f"take a CPU that it has: {', '.join(sorted(known))}"
        message = f"{target.name} cannot be emulated here: this qemu does not know {target.qemu_cpu}; {why}"
        raise Failure(Diagnostic(code="tool-missing", message=message))
    root = workdir / f"sysroot-{target.name}"
    (root / "proc").mkdir(parents=True, exist_ok=True)
    for name in SYSTEM:
        if (system / name).exists() and not (root / name).is_symlink():
            (root / name).symlink_to(system / name)
    cpuinfo = root / "proc" / "cpuinfo"
    cpuinfo.write_text(cpuinfo_text(target), encoding="ascii")
    return Emulator(command=(program, "-cpu", _cpu(target), "-L", str(root)), cpuinfo=cpuinfo)


def cpuinfo_text(target: Target) -> str:
    """Return a /proc/cpuinfo for the target as Linux prints it, one block a core."""
    if target.cpuinfo is None:
        fields = [("model name", target.cpu), ("flags", " ".join(target.features))]
    else:
        implementer, variant, part = target.cpuinfo
        fields = [("BogoMIPS", "38.40"), ("Features", " ".join(target.features)), ("CPU implementer", implementer)]
        fields += [("CPU architecture", "8"), ("CPU variant", variant), ("CPU part", part), ("CPU revision", "1")]
    blocks = ([("processor", str(core)), *fields] for core in range(target.cores))
    return "\n".join("".join(f"{name}\t: {value}\n" for name, value in block) for block in blocks)


@functools.cache
def _cpus(program: str) -> frozenset[str]:
    """Return the names that ``-cpu help`` of a qemu-user lists; none where it does not answer."""
    try:
        done = subprocess.run([program, "-cpu", "help"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return frozenset()
    return frozenset(word for line in done.stdout.splitlines() for word in line.split()[:2])


def _cpu(target: Target) -> str:
    if target.qemu_cpu == "max":
        raise ValueError("qemu 7.2 computes int8 wrongly with -cpu max; name a CPU")
    return target.qemu_cpu


def _system(architecture: str) -> Path | None:
    """Where that architecture's C library lies: Debian's cross packages' folder, else this machine's root."""
    places = [Path(f"/usr/{architecture}-linux-gnu")]
    if platform.machine() == architecture:
        places.append(Path("/"))
    return next((place for place in places if (place / LOADERS.get(architecture, "lib")).exists()), None)


def _missing(target: Target, program: bool, system: bool) -> Failure:
    names = ["qemu-user"] if program else []
    names += [f"g++-{target.architecture.replace('_', '-')}-linux-gnu"] if system else []
    if not names:
        message = f"{target.name} cannot be emulated here: {target.emulation or 'it names no CPU of qemu'}"
        return Failure(Diagnostic(code="tool-missing", message=message))
    return Failure(
        Diagnostic(
            code="tool-missing",
            message=f"{target.name} cannot be emulated here without {' and '.join(names)}",
            hint=f"run: apt-get install -y {' '.join(names)}",
        )
    )
