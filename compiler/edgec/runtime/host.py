"""What machine edgec runs on, and which targets it can run natively."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from edgec.artifacts.target import Target
from edgec.targets.cpus import GENERIC

CPUINFO = Path("/proc/cpuinfo")


def same_kind(target: Target) -> bool:
    """Whether this machine is of the target's own kind, so that what is clocked here holds there.

    That takes Linux, its architecture, its CPU features and what its delegates need of them, its glibc or newer, and its
    very CPU: an Arm server runs a Jetson Nano's programs, and says nothing of their speed. A row for any machine of an
    architecture asks for no CPU; one for a level of it asks for no more than that level: with AVX-512 other kernels run
    than with AVX2 alone.
    """
    if target.kind != "linux-native" or platform.system() != "Linux" or platform.machine() != target.architecture:
        return False
    cpuinfo = CPUINFO.read_text(errors="replace")
    found = features(cpuinfo)
    if not {*target.features, *target.needs} <= found or found & set(target.beyond) or _glibc() < _numbers(target.glibc):
        return False
    if target.cpu in GENERIC:
        return True
    if target.cpuinfo is None:
        return False
    first = _fields(cpuinfo)
    return (first.get("CPU implementer"), first.get("CPU part")) == (target.cpuinfo[0], target.cpuinfo[2])


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
    fields = _fields(CPUINFO.read_text(errors="replace")) if CPUINFO.is_file() else {}
    if "model name" in fields:
        return fields["model name"]
    part = " ".join(fields[name] for name in ("CPU implementer", "CPU part") if name in fields)
    return f"{platform.machine()} {part}".strip()


def _fields(cpuinfo: str) -> dict[str, str]:
    """Return the fields of the first processor in a /proc/cpuinfo."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


def _glibc() -> tuple[int, ...]:
    """The version of the C library, (0,) where it is not glibc."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (OSError, ValueError):
        return (0,)
    return _numbers(version) if name == "glibc" else (0,)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
