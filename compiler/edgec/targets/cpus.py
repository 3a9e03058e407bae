"""The processor cores that edgec knows, as data rows: what decides which kernels run, and how fast they can be at most."""

from __future__ import annotations

from dataclasses import replace

from edgec.artifacts.target import Cpu, Target

V8 = ("asimd",)
V82 = ("asimd", "asimdhp", "asimddp")
MATRIX = (*V82, "asimdfhm", "i8mm", "bf16", "sve", "svei8mm", "svebf16")
X86_V2 = ("sse2", "pni", "ssse3", "cx16", "sse4_1", "sse4_2", "popcnt")
X86_V3 = (*X86_V2, "avx", "f16c", "fma", "movbe", "avx2", "bmi1", "bmi2", "abm")
X86_V4 = (*X86_V3, "avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl")

LEVELS = "System V ABI, AMD64 supplement: micro-architecture levels"
MIDR = "technical reference manual, MIDR_EL1 (implementer, part) and ID_AA64ISAR0_EL1 (extensions)"
RATES = "software optimization guide: throughput of FMLA and SMLAL or SDOT by vectors of 128 bits"
NARROW = {"fp32": 4, "int8": 8}
"""One FMLA of 4 lanes, one SMLAL of 8 lanes a cycle; without fp16 arithmetic XNNPACK computes in fp32."""
NARROW_DOT = {"fp32": 4, "fp16": 8, "int8": 16}
WIDE_DOT = {"fp32": 8, "fp16": 16, "int8": 32}
NOTHING_FITS = "no CPU of qemu 7.2 has i8mm, bf16 and SVE; a qemu that knows this one emulates it"


def _arm(
    name: str,
    part: str,
    features: tuple[str, ...],
    macs: dict[str, int],
    *,
    variant: str = "0x0",
    qemu: str = "",
    emulation: str = "",
) -> Cpu:
    """Return a core of Arm's own; ``qemu`` is another whose features are the same, where qemu does not have this one."""
    return Cpu(
        name=name,
        architecture="aarch64",
        features=features,
        qemu_cpu=qemu or name,
        emulation=emulation or (f"qemu 7.2 has no {name}; {qemu} has exactly its features" if qemu else ""),
        cpuinfo=("0x41", variant, part),
        macs_per_cycle=macs,
        sources=(f"Arm {name} {MIDR}", f"Arm {name} {RATES}"),
    )


def _x86(name: str, features: tuple[str, ...], qemu: str, emulation: str = "", beyond: tuple[str, ...] = ()) -> Cpu:
    return Cpu(
        name=name,
        architecture="x86_64",
        features=features,
        qemu_cpu=qemu,
        emulation=emulation,
        cpuinfo=None,
        macs_per_cycle={},  # a level says which instructions there are, not how many units run them
        sources=(LEVELS,),
        beyond=beyond,
        generic=True,
    )


def _apple(name: str, features: tuple[str, ...], macs: dict[str, int], source: str) -> Cpu:
    return Cpu(
        name=name,
        architecture="aarch64",
        features=features,
        qemu_cpu="",
        emulation="its programs are for Apple's systems, which qemu-user does not run",
        cpuinfo=None,
        macs_per_cycle=macs,
        sources=(source,),
    )


def _cortex_m(name: str, architecture: str, features: tuple[str, ...], macs: dict[str, int], source: str) -> Cpu:
    return Cpu(
        name=name,
        architecture=architecture,
        features=features,
        qemu_cpu="",
        emulation="it runs no Linux, so qemu-user has nothing to run on it",
        cpuinfo=None,
        macs_per_cycle=macs,
        sources=(source,),
    )


ROWS = (
    _arm("cortex-a35", "0xd04", V8, NARROW),
    _arm("cortex-a53", "0xd03", V8, NARROW),
    _arm("cortex-a57", "0xd07", V8, NARROW, variant="0x1"),
    _arm("cortex-a72", "0xd08", V8, NARROW),
    _arm("cortex-a73", "0xd09", V8, NARROW, qemu="cortex-a72"),
    _arm("cortex-a55", "0xd05", V82, NARROW_DOT, variant="0x2"),
    _arm("cortex-a75", "0xd0a", V82, NARROW_DOT | {"fp32": 8, "fp16": 16, "int8": 32}, variant="0x3", qemu="cortex-a76"),
    _arm("cortex-a76", "0xd0b", V82, WIDE_DOT, variant="0x4"),
    _arm("cortex-a77", "0xd0d", V82, WIDE_DOT, variant="0x1", qemu="cortex-a76"),
    _arm("cortex-a78", "0xd41", V82, WIDE_DOT, variant="0x1", qemu="cortex-a76"),
    _arm("cortex-a78ae", "0xd42", V82, WIDE_DOT, qemu="cortex-a76"),
    _arm("cortex-x1", "0xd44", V82, {"fp32": 16, "fp16": 32, "int8": 64}, variant="0x1", qemu="cortex-a76"),
    _arm("neoverse-n1", "0xd0c", V82, WIDE_DOT, variant="0x3"),
    _arm(
        "cortex-a710", "0xd47", (*MATRIX, "sve2"), {"fp32": 8, "fp16": 16, "bf16": 32, "int8": 64},
        variant="0x2", emulation=NOTHING_FITS,
    ),
    _arm(
        "neoverse-n2", "0xd49", (*MATRIX, "sve2"), {"fp32": 8, "fp16": 16, "bf16": 32, "int8": 64}, emulation=NOTHING_FITS
    ),
    _arm(
        "neoverse-v1", "0xd40", MATRIX, {"fp32": 16, "fp16": 32, "bf16": 64, "int8": 128},
        variant="0x1", emulation=NOTHING_FITS,
    ),
    Cpu(
        name="armv8-a",
        architecture="aarch64",
        features=V8,
        qemu_cpu="cortex-a53",
        emulation="any 64-bit Arm core; cortex-a53 has what every one of them has, and no more",
        cpuinfo=("0x41", "0x0", "0xd03"),
        macs_per_cycle={},
        sources=("Arm Architecture Reference Manual for A-profile: Advanced SIMD is part of Armv8-A as Linux asks for it",),
        generic=True,
    ),
    _x86("x86-64", ("sse2",), "Nehalem", "any 64-bit x86 core; Nehalem has SSE4.2 beside SSE2"),
    _x86("x86-64-v2", X86_V2, "Nehalem", beyond=("avx2", "avx512f")),
    _x86("x86-64-v3", X86_V3, "Haswell-noTSX", beyond=("avx512f",)),
    _x86("x86-64-v4", X86_V4, "", "qemu 7.2 does not emulate AVX-512; a machine that has it runs these programs itself"),
    _apple(
        "apple-a12", ("asimd", "asimdhp"), {"fp32": 12, "fp16": 24, "int8": 24},
        "Apple, Metal and iOS device tables (A12: Armv8.3-A); three vector pipes of 128 bits a big core",
    ),
    _apple(
        "apple-m1", V82, {"fp32": 16, "fp16": 32, "int8": 64},
        "Apple silicon CPU optimization guide: four vector pipes of 128 bits a performance core",
    ),
    _cortex_m(
        "cortex-m4", "armv7e-m", ("dsp", "fpu"), {"fp32": 1, "int8": 2},
        "Arm Cortex-M4 technical reference manual: VFMA.F32 and SMLAD (two 16-bit products), one a cycle at most",
    ),
    _cortex_m(
        "cortex-m55", "armv8.1-m.main", ("dsp", "fpu", "mve"), {"fp32": 2, "fp16": 4, "int8": 8},
        "Arm Cortex-M55 technical reference manual: Helium works on two beats of 32 bits a cycle",
    ),
    _cortex_m(
        "cortex-m85", "armv8.1-m.main", ("dsp", "fpu", "mve"), {"fp32": 2, "fp16": 4, "int8": 8},
        "Arm Cortex-M85 technical reference manual: Helium works on two beats of 32 bits a cycle",
    ),
)  # fmt: skip

CPUS: dict[str, Cpu] = {row.name: row for row in ROWS}
GENERIC = frozenset(row.name for row in ROWS if row.generic)
"""Names that mean any core of an architecture, or of a level of it."""


def with_cpu(target: Target, cpu: Cpu) -> Target:
    """Return ``target`` with another core: its features, peaks, ``-cpu`` and cpuinfo change together."""
    return replace(
        target,
        cpu=cpu.name,
        architecture=cpu.architecture,
        features=cpu.features,
        beyond=cpu.beyond,
        generic=cpu.generic,
        qemu_cpu=cpu.qemu_cpu,
        emulation=cpu.emulation,
        cpuinfo=cpu.cpuinfo,
        macs_per_cycle=cpu.macs_per_cycle,
    )
