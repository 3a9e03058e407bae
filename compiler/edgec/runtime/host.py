"""What machine edgec runs on, and which targets it can run natively."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from edgec.artifacts.target import Target

CPUINFO = Path("/proc/cpuinfo")


def host_runs(target: Target) -> bool:
    """Whether this machine is of the target's kind: Linux, its architecture, its CPU features, its glibc or newer."""
    if platform.system() != "Linux" or platform.machine() != target.architecture:
        return False
    return set(target.features) <= features(CPUINFO.read_text(errors="replace")) and _glibc() >= _numbers(target.glibc)


def features(cpuinfo: str) -> set[str]:
    """Return the CPU features that a /proc/cpuinfo lists for its first processor (``flags``, on Arm ``Features``)."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


@cache
def cpu_name() -> str:
    """Return the processor's name as the system gives it, else its Arm part number, else the architecture."""
    fields: dict[str, str] = {}
    if CPUINFO.is_file():
        for line in CPUINFO.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    if "model name" in fields:
        return fields["model name"]
    part = " ".join(fields[name] for name in ("CPU implementer", "CPU part") if name in fields)
    return f"{platform.machine()} {part}".strip()


def _glibc() -> tuple[int, ...]:
    """The version of the C library, (0,) where it is not glibc."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (OSError, ValueError):
        return (0,)
    return _numbers(version) if name == "glibc" else (0,)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
