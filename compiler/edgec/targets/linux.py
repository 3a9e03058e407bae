"""Boards and machines that run Linux: rows of the targets table."""

from __future__ import annotations

from edgec.artifacts.target import Target
from edgec.targets.cpus import CPUS, with_cpu

GIB = 1024**3
MIB = 1024**2
KIB = 1024
ASSUMED = "cores, threads and memory: this project's assumption of the smallest such machine; an inline target overrides it"
CPU_DELEGATES = ("xnnpack", "portable")
X86_DELEGATES = (*CPU_DELEGATES, "openvino", "vulkan", "webgpu", "vgf", "tosa")


def _linux(
    name: str,
    summary: str,
    cpu: str,
    *,
    cores: int,
    memory: int,
    sources: tuple[str, ...],
    glibc: str = "2.27",
    delegates: tuple[str, ...] = CPU_DELEGATES,
    clock: float = 0.0,
    bandwidth: float = 0.0,
    cache: int = 0,
) -> Target:
    row = Target(
        name=name,
        summary=summary,
        architecture="",
        cpu=cpu,
        cores=cores,
        threads=cores,
        memory=memory,
        glibc=glibc,
        features=(),
        delegates=delegates,
        kind="linux-native",
        qemu_cpu="",
        cpuinfo=None,
        sources=(*sources, *CPUS[cpu].sources),
        clock=clock,
        bandwidth=bandwidth,
        cache=cache,
    )
    return with_cpu(row, CPUS[cpu])


JETSON_NANO = _linux(
    "jetson-nano",
    "NVIDIA Jetson Nano developer kit: 4 Cortex-A57 cores, 4 GB, JetPack 4 (Ubuntu 18.04)",
    "cortex-a57",
    cores=4,
    memory=4 * GIB,
    clock=1.43e9,
    bandwidth=25.6e9,
    cache=2 * MIB + 4 * 32 * KIB,
    sources=(
        "NVIDIA Jetson Nano system-on-module data sheet DA-09366-001 (cores, 1.43 GHz, 2 MB L2, LPDDR4 64 bits x 3200 MT/s)",
        "JetPack 4.6 release notes (Ubuntu 18.04, hence glibc 2.27)",
    ),
)

JETSON_ORIN_NANO = _linux(
    "jetson-orin-nano",
    "NVIDIA Jetson Orin Nano 8 GB: 6 Cortex-A78AE cores, JetPack 6 (Ubuntu 22.04)",
    "cortex-a78ae",
    cores=6,
    memory=8 * GIB,
    glibc="2.35",
    delegates=(*CPU_DELEGATES, "vulkan", "cuda"),
    clock=1.7e9,
    bandwidth=102.4e9,
    cache=(1536 + 4096) * KIB + 6 * 64 * KIB,
    sources=(
        "NVIDIA Jetson Orin Nano series data sheet DS-11105-001 (6 cores, 1.5 MB L2, 4 MB L3)",
        "the same in super mode: 1.7 GHz, LPDDR5 128 bits x 6400 MT/s",
        "JetPack 6 release notes (Ubuntu 22.04, hence glibc 2.35)",
    ),
)

RASPBERRY_PI_4 = _linux(
    "raspberry-pi-4",
    "Raspberry Pi 4 Model B with 4 GB: 4 Cortex-A72 cores, Raspberry Pi OS 11 or newer (64-bit)",
    "cortex-a72",
    cores=4,
    memory=4 * GIB,
    glibc="2.31",
    clock=1.8e9,
    bandwidth=12.8e9,
    cache=1 * MIB + 4 * 32 * KIB,
    sources=(
        "Raspberry Pi 4 Model B product brief, BCM2711 (4 cores, up to 1.8 GHz, 1 MB L2, LPDDR4 32 bits x 3200 MT/s)",
        "Raspberry Pi OS 11 is Debian 11, hence glibc 2.31",
    ),
)

RASPBERRY_PI_5 = _linux(
    "raspberry-pi-5",
    "Raspberry Pi 5 with 4 GB: 4 Cortex-A76 cores, Raspberry Pi OS 12 or newer (64-bit)",
    "cortex-a76",
    cores=4,
    memory=4 * GIB,
    glibc="2.36",
    clock=2.4e9,
    bandwidth=17.1e9,
    cache=(4 * 512 + 2048) * KIB + 4 * 64 * KIB,
    sources=(
        "Raspberry Pi 5 product brief, BCM2712 (4 cores, 2.4 GHz, 512 KB L2 a core, 2 MB L3, LPDDR4X 32 bits x 4267 MT/s)",
        "Raspberry Pi OS 12 is Debian 12, hence glibc 2.36",
    ),
)

RASPBERRY_PI_ZERO_2W = _linux(
    "raspberry-pi-zero-2w",
    "Raspberry Pi Zero 2 W: 4 Cortex-A53 cores, 512 MB, Raspberry Pi OS 11 or newer (64-bit)",
    "cortex-a53",
    cores=4,
    memory=512 * MIB,
    glibc="2.31",
    clock=1.0e9,
    bandwidth=3.6e9,
    cache=512 * KIB + 4 * 32 * KIB,
    sources=(
        "Raspberry Pi Zero 2 W product brief and BCM2837 documentation (4 cores, 1 GHz, 512 KB L2, LPDDR2 32 bits x 900 MT/s)",
        "Raspberry Pi OS 11 is Debian 11, hence glibc 2.31",
    ),
)

LINUX_X86_64 = _linux(
    "linux-x86_64",
    "Any 64-bit x86 Linux machine with glibc 2.27 or newer",
    "x86-64",
    cores=2,
    memory=2 * GIB,
    delegates=X86_DELEGATES,
    sources=(ASSUMED,),
)

LINUX_X86_64_AVX2 = _linux(
    "linux-x86_64-avx2",
    "Any x86-64-v3 Linux machine (AVX2, FMA) with glibc 2.27 or newer",
    "x86-64-v3",
    cores=2,
    memory=2 * GIB,
    delegates=X86_DELEGATES,
    sources=(ASSUMED,),
)

LINUX_X86_64_AVX512 = _linux(
    "linux-x86_64-avx512",
    "Any x86-64-v4 Linux machine (AVX-512) with glibc 2.27 or newer",
    "x86-64-v4",
    cores=2,
    memory=2 * GIB,
    delegates=X86_DELEGATES,
    sources=(ASSUMED,),
)

LINUX_AARCH64 = _linux(
    "linux-aarch64",
    "Any 64-bit Arm Linux machine with glibc 2.27 or newer",
    "armv8-a",
    cores=2,
    memory=1 * GIB,
    delegates=(*CPU_DELEGATES, "vulkan", "vgf"),
    sources=(ASSUMED,),
)

ROWS = (
    JETSON_NANO,
    JETSON_ORIN_NANO,
    RASPBERRY_PI_4,
    RASPBERRY_PI_5,
    RASPBERRY_PI_ZERO_2W,
    LINUX_X86_64,
    LINUX_X86_64_AVX2,
    LINUX_X86_64_AVX512,
    LINUX_AARCH64,
)
