"""Devices without an operating system: rows of the targets table whose model is linked into firmware."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.artifacts.target import Target
from edgec.targets.cpus import CPUS, with_cpu
from edgec.targets.linux import KIB, MIB

DELEGATES = ("cortex-m", "portable")
NPU_DELEGATES = ("ethos-u", *DELEGATES)


def _board(
    name: str,
    summary: str,
    cpu: str,
    *,
    memory: int,
    flash: int,
    sources: tuple[str, ...],
    delegates: tuple[str, ...] = DELEGATES,
    clock: float = 0.0,
    bandwidth: float = 0.0,
    accelerator: str = "",
    accelerator_macs: Mapping[str, int] | None = None,
) -> Target:
    row = Target(
        name=name,
        summary=summary,
        architecture="",
        cpu=cpu,
        cores=1,
        threads=1,
        memory=memory,
        glibc="",
        features=(),
        delegates=delegates,
        kind="microcontroller",
        qemu_cpu="",
        cpuinfo=None,
        sources=(*sources, *CPUS[cpu].sources),
        flash=flash,
        clock=clock,
        bandwidth=bandwidth,
        accelerator=accelerator,
        accelerator_macs=accelerator_macs or {},
    )
    return with_cpu(row, CPUS[cpu])


ROWS = (
    _board(
        "corstone-300",
        "Arm Corstone-300: Cortex-M55 with an Ethos-U55 of 128 MACs",
        "cortex-m55",
        memory=2 * MIB,
        flash=32 * MIB,
        delegates=NPU_DELEGATES,
        clock=500e6,
        bandwidth=4e9,
        accelerator="ethos-u55-128",
        accelerator_macs={"int8": 128},
        sources=(
            "Arm Corstone SSE-300 example subsystem (2 MB SRAM)",
            "Vela's system configuration Ethos_U55_High_End_Embedded: 500 MHz for the NPU, here for the core too, SRAM 4 GB/s",
            "flash: this project's assumption of one off the chip",
        ),
    ),
    _board(
        "corstone-320",
        "Arm Corstone-320: Cortex-M85 with an Ethos-U85 of 256 MACs",
        "cortex-m85",
        memory=4 * MIB,
        flash=32 * MIB,
        delegates=NPU_DELEGATES,
        clock=1e9,
        bandwidth=12e9,
        accelerator="ethos-u85-256",
        accelerator_macs={"int8": 256},
        sources=(
            "Arm Corstone SSE-320 example subsystem (4 MB SRAM)",
            "Vela's system configuration Ethos_U85_SYS_DRAM_Mid: 1 GHz for the NPU, here for the core too, DRAM 12 GB/s",
            "flash: this project's assumption of one off the chip",
        ),
    ),
    _board(
        "cortex-m4",
        "Any Cortex-M4F microcontroller with 256 KB of RAM and 1 MB of flash",
        "cortex-m4",
        memory=256 * KIB,
        flash=1 * MIB,
        sources=("memory and flash: those of usual parts (nRF52840, STM32F4); an inline target overrides them",),
    ),
)
