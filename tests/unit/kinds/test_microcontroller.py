"""A microcontroller's bundle, from parts made by hand: what it holds, that it is checked, and that text stays text."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import lowered, plan, verdicts
from edgec.artifacts.bundle import Bundle, File
from edgec.artifacts.manifest import Budget
from edgec.artifacts.measured import Evidence, Figure, Measured
from edgec.kinds import microcontroller
from edgec.runtime.firmware import Trial
from edgec.stages.judge import judge, overfull
from edgec.stages.render import render
from edgec.store.atomic import write_tree
from edgec.targets.cpus import CPUS
from edgec.targets.table import TARGETS

POOLS = Measured(
    figures=(
        Figure(name="memory.arenas", value=9408, unit="bytes", evidence="artifact"),
        Figure(name="memory.method_pool", value=2048, unit="bytes", evidence="host", detail={"used": 1500, "ran": True}),
        Figure(name="memory.temporary_pool", value=1024, unit="bytes", evidence="host", detail={"used": 96, "scratch": 0}),
        Figure(name="memory.ram", value=12480, unit="bytes", evidence="artifact"),
    )
)


def content(file: File) -> bytes:
    return file.content if isinstance(file.content, bytes) else file.content.read_bytes()


def made(folder: Path, **changes: Any) -> Bundle:
    asked = {"target": TARGETS["cortex-m4"], "budgets": (), **changes}
    return render(plan(**asked), lowered(folder / "job"), folder / "job", None, POOLS, verdicts(POOLS)[:0], False)


def on_disk(folder: Path) -> tuple[Path, Any]:
    write_tree(folder / "bundle", made(folder).files)
    return folder / "bundle", json.loads((folder / "bundle" / "bundle.json").read_text())


def test_it_holds_what_firmware_is_built_from(tmp_path: Path) -> None:
    bundle = made(tmp_path)
    assert set(bundle.files) == {
        "bundle.json", "model.pte", "CMakeLists.txt", "cmake/arm-none-eabi.cmake", "README.md", "SHA256SUMS",
        "include/model_pte.h", "include/model_data.h", "include/edgec_sizes.h", "include/golden_vectors.h",
        "src/main.cpp", "src/model.h", "src/model.cpp", "src/model_pte.S",
        "tests/golden/0.image.bin", "tests/golden/0.output.bin", "sbom.cdx.json", "provenance.json",
    }  # fmt: skip
    sizes = content(bundle.files["include/edgec_sizes.h"]).decode()
    for line in ("EDGEC_ARENA_BYTES {9408}", "EDGEC_METHOD_POOL_BYTES 2048", "EDGEC_TEMPORARY_POOL_BYTES 1024"):
        assert f"#define {line}\n" in sizes
    assert "1500 bytes counted on the build machine" in sizes
    assert json.loads(content(bundle.files["bundle.json"]))["kind"] == "microcontroller"
    assert made(tmp_path / "again").digest == bundle.digest


def test_the_parts_that_were_not_run_are_named_as_such(tmp_path: Path) -> None:
    page = content(made(tmp_path).files["README.md"]).decode()
    assert "**Not run:** the firmware itself" in page
    assert "a host build of\nthe same source" in page


def test_what_is_built_lies_outside_the_bundle(tmp_path: Path) -> None:
    files = made(tmp_path).files
    for name, before in (("README.md", ""), ("CMakeLists.txt", "#   ")):
        text = content(files[name]).decode()
        assert f"\n{before}cmake -B ../build -D" in text and f"\n{before}cmake --build ../build\n" in text


def test_operators_become_the_list_of_kernels_to_link(tmp_path: Path) -> None:
    text = content(made(tmp_path).files["CMakeLists.txt"]).decode()
    assert "set(EDGEC_OPERATORS\n    aten::mean.out\n)" in text
    assert "set(EDGEC_KERNELS_QUANTIZED OFF)" in text and "set(EDGEC_DELEGATE_ETHOS_U OFF)" in text


def test_executorch_is_named_as_what_the_firmware_needs(tmp_path: Path) -> None:
    parts = json.loads(content(made(tmp_path).files["sbom.cdx.json"]))["components"]
    needed = next(part for part in parts if part["name"] == "executorch-sources")
    assert (needed["purl"], needed["scope"]) == ("pkg:github/pytorch/executorch@v1.5.1", "required")


def test_a_whole_bundle_has_nothing_wrong(tmp_path: Path) -> None:
    assert microcontroller.check(*on_disk(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("include/model_pte.h", "110,111,116", "110,111,117", "bytes of model.pte"),
        ("include/edgec_sizes.h", "{9408}", "{9400}", "arenas"),
        ("include/golden_vectors.h", "golden_0_outputs_0[] = {\n0,", "golden_0_outputs_0[] = {\n1,", "0.output.bin"),
    ],
)
def test_a_header_that_says_otherwise_is_found(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    folder, facts = on_disk(tmp_path)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    (found,) = microcontroller.check(folder, facts)
    assert found.code == "bundle-broken" and message in found.message


def test_manifest_text_reaches_only_the_readme_and_the_records(tmp_path: Path) -> None:
    hostile = '*/ #error "${x}" `x` $(x)\n'
    tame, wild = made(tmp_path / "a"), made(tmp_path / "b", description=hostile, labels=(hostile, "1"))
    changed = {name for name, file in wild.files.items() if content(file) != content(tame.files[name])}
    assert changed == {"bundle.json", "README.md", "sbom.cdx.json", "provenance.json", "SHA256SUMS"}


def test_scratch_memory_is_read_off_velas_stream() -> None:
    def block(name: bytes, data: bytes) -> bytes:
        return name.ljust(16, b"\0") + struct.pack("<i12x", len(data)) + data.ljust(-(-len(data) // 16) * 16, b"\0")

    stream = block(b"vela_bin_stream", b"") + block(b"scratch_size", struct.pack("<I", 70_000)) + block(b"vela_end_stream", b"")
    assert microcontroller.vela_scratch(b"program" + stream + stream.replace(b"\x70\x11", b"\x00\x01")) == 70_000
    assert microcontroller.vela_scratch(b"nothing") == 0


EDGES = ("cortex_m::dequantize_per_tensor.out", "cortex_m::quantize_per_tensor.out")


@pytest.mark.parametrize(
    ("kernels", "ran", "scratch", "known", "words"),
    [
        ((), False, 5000, "artifact", "5000 bytes, and 0 bytes counted on the build machine."),
        (EDGES, False, 5000, "artifact", "5000 bytes, and 0 bytes counted on the build machine."),
        (EDGES, False, 0, "estimated", "not counted, since no build machine has the kernels"),
        ((*EDGES, "cortex_m::softmax.out"), False, 5000, "estimated", "what its kernels take was not counted"),
        (("cortex_m::quantized_add.out",), False, 5000, "estimated", "what its kernels take was not counted"),
        (("aten::mean.out",), True, 5000, "artifact", "5000 bytes, and 0 bytes counted on the build machine."),
        ((), False, 0, "estimated", "not counted, since no build machine has the kernels"),
    ],
)
def test_memory_that_kernels_beside_a_command_stream_take_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernels: tuple[str, ...], ran: bool, scratch: int, known: str, words: str
) -> None:
    artifact = replace(lowered(tmp_path / "job"), backends=("EthosUBackend",), kernels=kernels)
    monkeypatch.setattr(microcontroller, "tried", lambda *_: Trial(ran=ran, method=1000, temporary=0, words=""))
    monkeypatch.setattr(microcontroller, "vela_scratch", lambda _: scratch)
    asked = plan(target=TARGETS["cortex-m4"], budgets=())
    found = Measured(figures=tuple(microcontroller.figures(asked, artifact, tmp_path / "job", tmp_path, True)))
    ram = found.get("memory.ram")
    assert ram and ram.evidence == known
    sizes = render(asked, artifact, tmp_path / "job", None, found, (), False).files["include/edgec_sizes.h"]
    assert words in content(sizes).decode()


def test_inputs_that_are_bytes_are_kept_in_bytes(tmp_path: Path) -> None:
    assert b"true, golden_0_inputs_0_shape" in content(made(tmp_path / "a").files["include/golden_vectors.h"])
    artifact = lowered(tmp_path / "job")
    (tmp_path / "job" / "golden" / "0.image.bin").write_bytes(struct.pack("<12f", 0.5, *range(11)))
    asked = plan(target=TARGETS["cortex-m4"], budgets=())
    other = render(asked, artifact, tmp_path / "job", None, POOLS, (), False)
    assert b"false, golden_0_inputs_0_shape" in content(other.files["include/golden_vectors.h"])


def test_every_core_that_a_microcontroller_may_have_has_its_flags() -> None:
    architectures = {row.architecture for row in TARGETS.values() if row.kind == "microcontroller"}
    cores = {core.name for core in CPUS.values() if core.architecture in architectures}
    assert cores == set(microcontroller.CPU_FLAGS)


def test_memory_is_met_or_missed_by_what_is_planned() -> None:
    def status(limit: float, evidence: Evidence) -> str:
        budget = Budget(kind="memory", statistic="", sense="max", limit=limit, text="x", route=("budgets", "memory"))
        figure = replace(POOLS.figures[-1], evidence=evidence)
        (verdict,) = judge(plan(target=TARGETS["cortex-m4"], budgets=(budget,)), Measured(figures=(figure,)))
        assert verdict.status == "deferred" or verdict.figure == figure
        return verdict.status

    assert (status(12480, "artifact"), status(12479, "artifact")) == ("met", "missed")
    assert (status(12480, "estimated"), status(12479, "estimated")) == ("deferred", "missed")




def test_velas_estimates_are_kept_and_shown_as_such(tmp_path: Path) -> None:
    answered = {"answered by": "the TOSA reference model"}
    artifact = replace(lowered(tmp_path / "job"), backends=("EthosUBackend",), resolved=answered)
    vela = Figure(name="cycles.npu", value=10_050_000, unit="cycles", evidence="estimated")
    found = Measured(figures=(*POOLS.figures, vela))
    asked = plan(target=TARGETS["corstone-300"], budgets=())
    bundle = render(asked, artifact, tmp_path / "job", None, found, (), False)
    assert json.loads(content(bundle.files["vela-summary.json"])) == {
        "schema": "edgec/vela/v1", "evidence": "estimated", "cycles.npu": {"value": 10_050_000, "unit": "cycles"},
    }  # fmt: skip
    page = content(bundle.files["README.md"]).decode()
    assert "| cycles of the NPU | 1.005e+07 cycles |" in page and "those of the TOSA reference model" in page
    assert b"set(EDGEC_DELEGATE_ETHOS_U ON)" in content(bundle.files["CMakeLists.txt"])
    assert "vela-summary.json" not in made(tmp_path / "other").files


def test_a_device_that_is_too_small_is_told_by_what_it_lacks() -> None:
    small = replace(TARGETS["cortex-m4"], memory=12_000, flash=1_000)
    found = Measured(figures=(*POOLS.figures, Figure(name="size", value=1300, unit="bytes", evidence="artifact")))
    warnings = overfull(plan(target=small), found, strict=False)
    assert [(item.code, item.severity) for item in warnings] == [("device-too-small", "warning")] * 2
    assert "12.00 kB of RAM; the bundle takes 12.48 kB" in warnings[0].message
    assert "1.00 kB of flash; the bundle takes 1.30 kB" in warnings[1].message
    assert {item.severity for item in overfull(plan(target=small), found, strict=True)} == {"error"}
    assert overfull(plan(target=TARGETS["cortex-m4"]), found, strict=True) == ()
    assert overfull(plan(), found, strict=True) == (), "a runner's memory is not all planned"


STAND_INS = {
    "edgec_sizes.h": """#define EDGEC_INPUTS 1
#define EDGEC_OUTPUTS 1
#define EDGEC_METHOD_POOL_BYTES 1
#define EDGEC_TEMPORARY_POOL_BYTES 1
""",
    "model.h": """// NOT ExecuTorch: what main.cpp names of it, around a model that answers as the golden vector says.
#include <cstddef>
#include <cstdint>
namespace executorch::aten {
enum class ScalarType { Float, Half, BFloat16, Double, Char, Byte, Bool, Short, Int, Long };
struct Half { operator float() const { return 0; } };
struct BFloat16 : Half {};
}
namespace edgec {
enum class Error { Ok, InvalidArgument };
struct Used { size_t method, temporary; };
struct Tensor {
  float values[2] = {0.25f, 0.75f};
  long numel() const { return 2; }
  long element_size() const { return 4; }
  const void* const_data_ptr() const { return values; }
  executorch::aten::ScalarType scalar_type() const { return executorch::aten::ScalarType::Float; }
};
inline Tensor answer;
inline float pixels[12];
inline Error load() { return Error::Ok; }
inline Error run() { return Error::Ok; }
inline void* input(size_t, const int32_t*) { return pixels; }
inline const Tensor& output(size_t) { return answer; }
inline Used used() { return {1, 1}; }
}
""",
}


@pytest.mark.parametrize(
    ("options", "code", "last"), [((), 0, "PASS: 1 of 1"), (("-DEDGEC_GOLDEN_COUNT=0",), 7, "FAIL: 0 of 0")]
)
def test_a_self_test_without_golden_vectors_passes_nothing(
    tmp_path: Path, options: tuple[str, ...], code: int, last: str
) -> None:
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    files = made(tmp_path).files
    for name, text in STAND_INS.items():
        (tmp_path / name).write_text(text)
    for name in ("src/main.cpp", "include/golden_vectors.h"):
        (tmp_path / Path(name).name).write_bytes(content(files[name]))
    program = tmp_path / "self-test"
    subprocess.run(["g++", "-std=c++17", "-O0", *options, "-o", program, tmp_path / "main.cpp"], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert ran.returncode == code and ran.stdout.splitlines()[-1] == f"{last} golden vectors agree", ran.stdout


def test_a_self_test_tells_whole_numbers_apart_that_float32_does_not(tmp_path: Path) -> None:
    """2^24 + 1 is 2^24 there."""
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    for name, text in STAND_INS.items():
        (tmp_path / name).write_text(text)
    self_test = content(made(tmp_path).files["src/main.cpp"]).decode().partition("int main() {")[0]
    (tmp_path / "golden_vectors.h").write_text(GOLDEN)
    (tmp_path / "main.cpp").write_text(self_test + COMPARED)
    program = tmp_path / "self-test"
    subprocess.run(["g++", "-std=c++17", "-O0", "-Wno-unused", "-o", program, tmp_path / "main.cpp"], check=True)
    assert subprocess.run([program], check=False).returncode == 0


GOLDEN = """#include <cstddef>
#include <cstdint>
namespace edgec {
struct GoldenTensor { const uint8_t* data; size_t elements, element_bytes; const int32_t* shape; bool narrow; };
struct GoldenVector { GoldenTensor inputs[1], outputs[1]; };
constexpr double golden_absolute = 0, golden_relative = 0;
}
"""
COMPARED = """int main() {
  const int64_t wanted = (int64_t{1} << 24) + 1, other = int64_t{1} << 24;
  const edgec::GoldenTensor expected{reinterpret_cast<const uint8_t*>(&wanted), 1, 8, nullptr, false};
  return worst_share_of<int64_t>(&wanted, expected) == 0 && worst_share_of<int64_t>(&other, expected) > 1 ? 0 : 1;
}
"""
