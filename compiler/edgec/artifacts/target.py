"""What is known of one piece of hardware: a core, and a row of the targets table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """One kind of processor core.

    ``features`` are the names that Linux prints in /proc/cpuinfo for what decides which kernels run; ``beyond`` are those
    that make a machine more than this kind. ``cpuinfo`` is (implementer, variant, part) as /proc/cpuinfo gives them on Arm.
    ``qemu_cpu`` is qemu-user's ``-cpu`` with exactly these features, "" where there is none; ``emulation`` says what stands
    in for what, or why nothing does. ``macs_per_cycle`` is the most that one core can do, by precision (``fp32``, ``fp16``,
    ``bf16``, ``int8``); a precision that it does not know is not in it. ``generic``: not one core, any of an architecture.
    """

    name: str
    architecture: str
    features: tuple[str, ...]
    qemu_cpu: str
    cpuinfo: tuple[str, str, str] | None
    macs_per_cycle: Mapping[str, int]
    sources: tuple[str, ...]
    emulation: str = ""
    beyond: tuple[str, ...] = ()
    generic: bool = False


@dataclass(frozen=True, kw_only=True)
class Target:
    """One kind of device. ``memory`` in bytes; ``sources`` say where figures come from.

    ``features``, ``beyond``, ``cpuinfo``, ``qemu_cpu``, ``emulation``, ``generic`` and ``macs_per_cycle`` are the Cpu's.
    ``glibc`` is "" where the system has none. ``threads`` are the big cores. ``flash`` is what holds the model of a device
    that runs it in place, in bytes (0: a file). ``clock`` is the highest of the big cores, in Hz (0: not known);
    ``bandwidth`` the main memory's, in bytes a second; ``cache`` all of the caches that the cores can hold weights in, in
    bytes: 0 where a row stands for machines of many kinds. ``accelerator`` names what is beside the cores
    (``ethos-u55-128``), and ``accelerator_macs`` are its multiply-accumulates a cycle of the same clock, by precision.
    ``needs`` are the features, the target's own or not, without which the artifacts of the delegates that were chosen for
    it do not run.
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
    emulation: str = ""
    beyond: tuple[str, ...] = ()
    generic: bool = False
    flash: int = 0
    clock: float = 0.0
    bandwidth: float = 0.0
    cache: int = 0
    macs_per_cycle: Mapping[str, int] = field(default_factory=dict)
    accelerator: str = ""
    accelerator_macs: Mapping[str, int] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    def peak(self, precision: str, threads: int) -> float | None:
        """Return the most multiply-accumulates a second in ``precision``; None: not known.

        That is clock x (cores x MACs a cycle), with those of the accelerator.
        """
        per_cycle = threads * self.macs_per_cycle.get(precision, 0) + self.accelerator_macs.get(precision, 0)
        return self.clock * per_cycle or None

    def peak_words(self, precision: str, threads: int) -> str:
        """Return how ``peak`` comes about, such as ``4 cores x 1.5 GHz x 8 MACs a cycle``."""
        per_cycle = self.macs_per_cycle.get(precision)
        parts = []
        if per_cycle and self.clock:
            cores = f"{threads} core{'' if threads == 1 else 's'}"
            parts.append(f"{cores} x {self.clock / 1e9:g} GHz x {per_cycle} MACs a cycle")
        if beside := self.accelerator_macs.get(precision, 0) * self.clock:
            parts.append(f"{beside / 1e9:g} G/s of {self.accelerator}")
        return " + ".join(parts)
