"""Sources for firmware without an operating system: the model as data, its memory as constants, and a self-test."""

from __future__ import annotations

import math
import re
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgec.artifacts.bundle import File, Layout, Requirement
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Golden, Lowered, Tensor
from edgec.artifacts.measured import Figure, Measured, written
from edgec.artifacts.parts import Parts
from edgec.artifacts.plan import Plan
from edgec.artifacts.records import json_bytes
from edgec.diagnostics import Diagnostic
from edgec.kinds.c_source import Code, c_text, code, elements
from edgec.kinds.printing import environment, readme, readme_file
from edgec.resources import resource
from edgec.runtime.firmware import tried

SUMMARY = "microcontrollers: the model as an array, its memory as constants, a self-test, and CMake files"
RUNNER = False
SELF_TEST = True
JUDGES = False
LAYOUT = Layout()
PLANNED = "memory.ram"
UNRUN = (
    "the firmware: it needs ExecuTorch's sources for bare metal, a board's start-up code, and the board",
    "latency and what the device's own kernels answer",
)
DTYPES: tuple[str, ...] = ()
FOLDER = "microcontroller"
COPIED = ("src/main.cpp", "src/model.h", "src/model.cpp", "src/model_pte.S", "include/model_data.h")

CPU_FLAGS: Mapping[str, tuple[str, ...]] = {
    "cortex-m4": ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "cortex-m55": ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
    # GCC 12 does not know the Cortex-M85 by name; this is its architecture.
    "cortex-m85": ("-march=armv8.1-m.main+mve.fp+fp.dp", "-mthumb", "-mfloat-abi=hard"),
}
"""What GCC for Arm is told of each core of the targets' table."""

VELA = {
    "cycles.npu": "cycles of the NPU",
    "latency.npu": "time of the NPU",
    "memory.sram": "SRAM of the NPU",
    "memory.flash": "flash of the NPU",
}
"""Figures that Vela estimates, and what people call them."""

STEP = 1024
"""Pools are rounded up to this."""

MARGIN = 1.25
"""What a kernel of the device may take beside what this machine's kernel took, of the temporary pool."""

UNCOUNTED = 2048
"""Added to the method pool where the delegates' own records could not be counted, for each of them."""


NO_TEMPORARY = ("cortex_m::dequantize_per_tensor.out", "cortex_m::quantize_per_tensor.out")
"""Kernels, at the edges of every program for an Ethos-U that is fed floats, that take no temporary memory: they never ask
their context for any (ExecuTorch, backends/cortex_m/ops/op_quantize_per_tensor.cpp and op_dequantize_per_tensor.cpp)."""


def requirements(parts: Parts) -> tuple[Requirement, ...]:
    """ExecuTorch's sources, which the firmware is built with."""
    version = parts.lowered.versions.get("executorch", "")
    return (Requirement(name="executorch-sources", version=version, purl=f"pkg:github/pytorch/executorch@v{version}"),)


def figures(plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
    """Build the bundle's own sources for this machine, run every golden vector, and count the memory that they take.

    Where this machine has no code for a kernel or delegate, the program is only loaded, with stand-ins for them.
    """
    with tempfile.TemporaryDirectory(prefix="edgec-firmware-") as name:
        place = Path(name)
        _write(_sources(plan, lowered, folder, {}), place)
        trial = tried(place, folder / "model.pte", lowered.backends, lowered.kernels, cache, offline)
    scratch = vela_scratch((folder / "model.pte").read_bytes())
    method = _rounded(trial.method + (0 if trial.ran else UNCOUNTED * len(lowered.backends)))
    temporary = _rounded(max(trial.temporary * MARGIN, scratch, STEP))
    arenas = sum(lowered.memory.arenas)

    def figure(name: str, value: float, evidence: str, **detail: Json) -> Figure:
        return Figure(name=name, value=value, unit="bytes", evidence=evidence, detail=detail)  # type: ignore[arg-type]

    # What no machine counted and no command stream states can refuse a budget, and meet none.
    stated = scratch and set(lowered.kernels) <= set(NO_TEMPORARY)
    known = "artifact" if trial.ran or stated else "estimated"
    evidence, outside = "host" if trial.ran else known, "stack, the C library, ExecuTorch's own variables"
    return [
        figure("memory.arenas", arenas, "artifact", each=list(lowered.memory.arenas)),
        figure("memory.method_pool", method, "host", used=trial.method, ran=trial.ran),
        figure("memory.temporary_pool", temporary, evidence, used=trial.temporary, scratch=scratch),
        figure(
            "memory.ram", arenas + method + temporary, known, without=outside
        ),
    ]


def vela_scratch(program: bytes) -> int:
    """Return the most scratch memory that an Ethos-U command stream of the program asks for; 0 where it has none.

    Vela's stream is blocks of a 16-byte name, a 16-byte header that starts with the length, and the data.
    """
    mark, found, start = b"scratch_size\0\0\0\0", [0], 0
    while (start := program.find(mark, start)) >= 0:
        length = struct.unpack_from("<i", program, start + 16)[0]
        if length >= 4:
            found.append(struct.unpack_from("<I", program, start + 32)[0])
        start += len(mark)
    return max(found)


def files(parts: Parts) -> dict[str, File]:
    """Return the sources, the headers with the model, its memory and its golden vectors, and the build's files."""
    pools = {name: figure for name in ("memory.method_pool", "memory.temporary_pool") if (figure := parts.measured.get(name))}
    made = _sources(parts.plan, parts.lowered, parts.job_folder, pools)
    data = (parts.job_folder / "model.pte").read_bytes()
    facts: dict[str, object] = {"sha256": parts.lowered.pte_sha256, "count": len(data), "data": elements(data)}
    made["include/model_pte.h"] = _printed("include/model_pte.h.j2", facts)
    made["CMakeLists.txt"] = _printed("CMakeLists.txt.j2", _build_facts(parts))
    made["cmake/arm-none-eabi.cmake"] = _printed("cmake/arm-none-eabi.cmake.j2", _cpu_facts(parts.plan))
    estimates = vela_summary(parts)
    if estimates:
        made["vela-summary.json"] = File(content=json_bytes({"schema": "edgec/vela/v1", "evidence": "estimated", **estimates}))
    facts = {**readme(parts), **_memory(parts.measured), "requires": requirements(parts)[0]}
    shown = {VELA[name]: written(entry["value"], entry["unit"]) for name, entry in estimates.items()}
    answered = parts.lowered.resolved.get("answered by", "")
    made["README.md"] = readme_file(FOLDER, {**facts, "estimates": shown, "answered": answered})
    return made


def check(folder: Path, facts: Json) -> list[Diagnostic]:
    """Hold the array of model_pte.h against model.pte, and the sizes and vectors against bundle.json."""
    wrong = []
    header = _header(folder / "include" / "model_pte.h")
    if _array(header, "edgec_model_pte") != (folder / facts["model"]["file"]).read_bytes():
        wrong.append("include/model_pte.h does not hold the bytes of model.pte")
    sizes = _header(folder / "include" / "edgec_sizes.h")
    arenas = ", ".join(str(size) for size in facts["program"]["memory"]["arenas"]) or "0"
    if f"#define EDGEC_ARENA_BYTES {{{arenas}}}\n" not in sizes:
        wrong.append("include/edgec_sizes.h does not give the arenas of bundle.json")
    vectors = _header(folder / "include" / "golden_vectors.h")
    for number, vector in enumerate(facts["golden"]["vectors"]):
        for index, name in enumerate(vector["outputs"]):
            if _array(vectors, f"golden_{number}_outputs_{index}") != (folder / name).read_bytes():
                wrong.append(f"include/golden_vectors.h does not hold the bytes of {name}")
    return [Diagnostic(code="bundle-broken", message=message) for message in wrong]


def vela_summary(parts: Parts) -> dict[str, dict[str, Json]]:
    """Return Vela's estimates of a program that delegates to an Ethos-U, by figure; {} for any other."""
    if "EthosUBackend" not in parts.lowered.backends:
        return {}
    figures = {name: parts.measured.get(name) for name in VELA}
    return {name: {"value": figure.value, "unit": figure.unit} for name, figure in figures.items() if figure}


def _header(path: Path) -> str:
    """Return the text of a header; none where a bundle has no such file."""
    return path.read_text(encoding="ascii", errors="replace") if path.is_file() else ""


def _array(header: str, name: str) -> bytes:
    """Return the bytes of one array of a header."""
    found = re.search(rf"\b{re.escape(name)}\[\d*\] = \{{\n([0-9,\n]*)\}};", header)
    return bytes(int(item) for item in found[1].replace("\n", "").split(",") if item) if found else b""


def _sources(plan: Plan, lowered: Lowered, folder: Path, pools: Mapping[str, Figure]) -> dict[str, File]:
    """Return what the self-test is compiled from, but for the array of the model."""
    made = {name: File(content=resource("templates", FOLDER, *name.split("/"))) for name in COPIED}
    made["include/edgec_sizes.h"] = _printed("include/edgec_sizes.h.j2", _sizes(lowered, pools))
    vectors = [_vector(vector, lowered, folder) for vector in lowered.golden]
    absolute, relative = lowered.tolerance_on(plan.target)
    facts: dict[str, object] = {"vectors": vectors, "absolute": float(absolute), "relative": float(relative)}
    made["include/golden_vectors.h"] = _printed("include/golden_vectors.h.j2", facts)
    return made


def _printed(name: str, facts: Mapping[str, object]) -> File:
    templates = environment(FOLDER, finalize=c_text, code=code)
    return File(content=templates.get_template(name).render(facts).encode("ascii"))


def _sizes(lowered: Lowered, pools: Mapping[str, Figure]) -> dict[str, object]:
    method, temporary = pools.get("memory.method_pool"), pools.get("memory.temporary_pool")
    return {
        "inputs": len(lowered.inputs),
        "outputs": len(lowered.outputs),
        "arenas": list(lowered.memory.arenas),
        "method_pool": int(method.value) if method else STEP,
        "method_basis": Code(_basis(method)),
        "temporary_pool": int(temporary.value) if temporary else STEP,
        "temporary_basis": Code(_basis(temporary)),
    }


def _basis(figure: Figure | None) -> str:
    """Say where a pool's size comes from, in one line."""
    if figure is None:
        return "not counted"
    used = figure.detail["used"]
    if figure.name == "memory.method_pool":
        counted = "loaded with stand-ins for the delegates" if not figure.detail["ran"] else "a 64-bit build, which takes more"
        return f"{used} bytes counted on the build machine ({counted}), rounded up"
    if scratch := figure.detail["scratch"]:
        uncounted = "; what its kernels take was not counted" if figure.evidence == "estimated" else ""
        counted = f"{used} bytes counted on the build machine{uncounted}"
        return f"the scratch memory of the command stream, {scratch} bytes, and {counted}"
    if not used and figure.evidence != "host":
        return "not counted, since no build machine has the kernels; raise it where a run ends with error 0x21"
    return f"{used} bytes counted on the build machine with its own kernels, and a quarter more"


def _vector(vector: Golden, lowered: Lowered, folder: Path) -> dict[str, list[dict[str, object]]]:
    sides = {
        "inputs": (vector.inputs, vector.input_shapes, lowered.inputs),
        "outputs": (vector.outputs, vector.output_shapes, lowered.outputs),
    }
    return {
        side: [
            _tensor((folder / name).read_bytes(), shape, tensor, narrow=side == "inputs")
            for name, shape, tensor in zip(names, shapes, tensors, strict=True)
        ]
        for side, (names, shapes, tensors) in sides.items()
    }


def _tensor(data: bytes, shape: tuple[int, ...], tensor: Tensor, narrow: bool) -> dict[str, object]:
    """Return one array of a golden vector; float32 inputs that are whole numbers in 0..255 shrink to a byte each."""
    count = math.prod(shape)
    small = _bytes_of(data) if narrow and tensor.dtype == "float32" else None
    return {
        "shape": list(shape),
        "elements": count,
        "element_bytes": len(data) // count,
        "narrow": small is not None,
        "data": elements(data if small is None else small),
    }


def _bytes_of(data: bytes) -> bytes | None:
    """Return float32 values as one byte each, or None where one of them is no whole number in 0..255."""
    values = struct.unpack(f"<{len(data) // 4}f", data)
    whole = all(0 <= value <= 255 and value == int(value) for value in values)
    return bytes(int(value) for value in values) if whole else None


def _rounded(size: float) -> int:
    return -(-math.ceil(size) // STEP) * STEP


def _build_facts(parts: Parts) -> dict[str, object]:
    kernels = parts.lowered.kernels
    return {
        "executorch": parts.lowered.versions.get("executorch", ""),
        "release": re.split(r"[-+]", parts.plan.version)[0],
        "golden": len(parts.lowered.golden),
        "portable": sorted(name for name in kernels if name.startswith(("aten::", "dim_order_ops::"))),
        "quantized": any(name.startswith("quantized_decomposed::") for name in kernels),
        "cortex_m": any(name.startswith("cortex_m::") for name in kernels),
        "ethos_u": "EthosUBackend" in parts.lowered.backends,
    }


def _cpu_facts(plan: Plan) -> dict[str, object]:
    return {"cpu": plan.target.cpu, "flags": CPU_FLAGS[plan.target.cpu]}


def _memory(measured: Measured) -> dict[str, object]:
    names = {
        "arenas": "memory.arenas",
        "method": "memory.method_pool",
        "temporary": "memory.temporary_pool",
        "ram": "memory.ram",
    }
    found = {key: measured.get(name) for key, name in names.items()}
    return {
        "memory": {key: written(figure.value, "bytes") if figure else "not counted" for key, figure in found.items()},
        "ran": bool(figure.detail["ran"]) if (figure := found["method"]) else False,
    }


def _write(made: Mapping[str, File], place: Path) -> None:
    for name, file in made.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.read_bytes())
