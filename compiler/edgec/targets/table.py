"""The targets that edgec knows, as data rows; adding one is a row here and a line in the docs."""

from __future__ import annotations

from edgec.artifacts.target import Target

GIB = 1024**3

JETSON_NANO = Target(
    name="jetson-nano",
    summary="NVIDIA Jetson Nano developer kit: 4 Cortex-A57 cores, 4 GB, JetPack 4 (Ubuntu 18.04)",
    architecture="aarch64",
    cpu="cortex-a57",
    cores=4,
    threads=4,
    memory=4 * GIB,
    glibc="2.27",
    features=("asimd",),
    delegates=("xnnpack", "portable"),
    kind="linux-native",
    qemu_cpu="cortex-a57",
    cpuinfo=("0x41", "0x1", "0xd07"),
    sources=(
        "NVIDIA Jetson Nano system-on-module data sheet DA-09366-001 (cores, memory)",
        "JetPack 4.6 release notes (Ubuntu 18.04, hence glibc 2.27)",
        "Arm Cortex-A57 technical reference manual, MIDR_EL1 (implementer, part)",
    ),
)

LINUX_X86_64 = Target(
    name="linux-x86_64",
    summary="Any 64-bit x86 Linux machine with glibc 2.27 or newer",
    architecture="x86_64",
    cpu="x86-64",
    cores=2,
    threads=2,
    memory=2 * GIB,
    glibc="2.27",
    features=("sse2",),
    delegates=("xnnpack", "portable"),
    kind="linux-native",
    qemu_cpu="Nehalem",
    cpuinfo=None,
    sources=(
        "System V ABI, AMD64 supplement, micro-architecture levels (x86-64 baseline has SSE2)",
        "cores, threads and memory: this project's assumption of the smallest such machine; an inline target overrides it",
    ),
)

TARGETS: dict[str, Target] = {row.name: row for row in (JETSON_NANO, LINUX_X86_64)}
