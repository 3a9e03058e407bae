"""Phones, tablets and Macs: rows of the targets table whose bundles are for another system's own tools."""

from __future__ import annotations

from edgec.artifacts.target import Target
from edgec.targets.cpus import CPUS, with_cpu
from edgec.targets.linux import GIB

MANY = "cores, threads and memory: this project's assumption of the smallest such device; an inline target overrides it"
PHONE_DELEGATES = ("xnnpack", "portable", "vulkan", "qnn", "mediatek", "samsung")


def _device(
    name: str, summary: str, cpu: str, kind: str, cores: int, memory: int, delegates: tuple[str, ...], source: str
) -> Target:
    row = Target(
        name=name,
        summary=summary,
        architecture="",
        cpu=cpu,
        cores=cores,
        threads=cores,
        memory=memory,
        glibc="",
        features=(),
        delegates=delegates,
        kind=kind,
        qemu_cpu="",
        cpuinfo=None,
        sources=(source, MANY, *CPUS[cpu].sources),
    )
    return with_cpu(row, CPUS[cpu])


ROWS = (
    _device(
        "android-arm64",
        "Any 64-bit Arm Android device, Android 8 (API 26) or newer",
        "armv8-a",
        "android",
        4,
        3 * GIB,
        PHONE_DELEGATES,
        "Android NDK, ABI arm64-v8a: Armv8-A with Advanced SIMD",
    ),
    _device(
        "ios",
        "iPhone or iPad with an A12 or newer, iOS 17 or newer",
        "apple-a12",
        "apple",
        2,
        3 * GIB,
        ("xnnpack", "portable", "coreml"),
        "Apple, iOS 17 compatibility: A12 is the oldest chip (2 performance cores, 3 GB)",
    ),
    _device(
        "macos-arm64",
        "Mac with Apple silicon, macOS 14 or newer",
        "apple-m1",
        "apple",
        4,
        8 * GIB,
        ("xnnpack", "portable", "coreml", "mlx"),
        "Apple, technical specifications: M1 is the oldest chip (4 performance cores, 8 GB)",
    ),
)
