"""What is known of one piece of hardware: a row of the targets table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """One kind of device. ``memory`` in bytes; ``qemu_cpu`` is qemu-user's ``-cpu``; ``sources`` say where figures come from.

    ``features`` are the names that Linux prints in /proc/cpuinfo (``asimd``, ``asimddp``, ``avx2`` …) and that
    the bundle's self-test requires. ``cpuinfo`` is (implementer, variant, part) as /proc/cpuinfo gives them on Arm.
    """

    name: str
    summary: str
    architecture: str
    cpu: str
    cores: int
    threads: int
    memory: int
    glibc: str
    features: tuple[str, ...]
    delegates: tuple[str, ...]
    kind: str
    qemu_cpu: str
    cpuinfo: tuple[str, str, str] | None
    sources: tuple[str, ...]
