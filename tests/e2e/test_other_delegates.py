"""Whole builds for devices that no build machine is, each with its own delegate; and OpenVINO's bundle, which runs here."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import kinds_project
from edgec.store.files import sha256_of

TARGETS = """
  - {name: phone, base: ios, delegate: coreml, quantization: fp32}
  - {name: tablet, base: android-arm64, delegate: vulkan, quantization: fp16}
  - {name: sensor, base: corstone-300, delegate: ethos-u, quantization: int8}
  - {name: board, base: linux-x86_64, delegate: vulkan, quantization: fp32}
  - {name: reference, base: linux-x86_64, delegate: tosa, quantization: fp32}
  - {name: server, base: linux-x86_64, delegate: openvino, quantization: fp32}
"""
FOREIGN = {"phone": "CoreMLBackend", "tablet": "VulkanBackend", "sensor": "EthosUBackend"} | {
    "board": "VulkanBackend",
    "reference": "TOSABackend",
}


def build(edgec, folder, *arguments):
    done = edgec("build", folder / "tiny.yaml", "--allow-code", "--output", "json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return {outcome["target"]: outcome for outcome in json.loads(done.stdout)["outcomes"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("delegates")
    kinds_project.write(folder, TARGETS, memory="512MB")
    return folder


@pytest.fixture(scope="module")
def built(edgec, project):
    return build(edgec, project)


def facts(outcome):
    return json.loads((Path(outcome["folder"]) / "bundle.json").read_text())


@pytest.mark.parametrize("target", FOREIGN)
def test_what_was_not_run_is_said_everywhere(edgec, built, target):
    record = facts(built[target])
    assert record["program"]["backends"] == [FOREIGN[target]] and record["program"]["delegation"] > 0.5
    assert record["program"]["not_run"], "the bundle says why its artifact was not run"
    assert "answered by" in record["program"]["resolved"]
    evidence = {figure["evidence"] for figure in record["figures"] if figure["name"].startswith("accuracy.")}
    assert evidence == {"estimated"}, "what stood in for the artifact is no proof of it"
    assert re.search(
        "(no|the) build machine (runs|has no code)", (Path(built[target]["folder"]) / "README.md").read_text(), re.I
    )
    done = edgec("verify", built[target]["folder"], "--output", "json")
    checked = json.loads(done.stdout)
    assert (done.returncode, checked["status"]) == (0, "not-run"), done.stderr
    assert {verdict["status"] for verdict in checked["verdicts"] if verdict["budget"] != "memory"} == {"deferred"}


def test_memory_beside_a_command_stream_is_judged_by_what_is_planned(built):
    record = facts(built["sensor"])
    assert record["program"]["kernels"] == ["cortex_m::dequantize_per_tensor.out", "cortex_m::quantize_per_tensor.out"]
    verdicts = {verdict["budget"]["kind"]: verdict for verdict in built["sensor"]["verdicts"]}
    assert verdicts["memory"]["status"] == "met" and verdicts["memory"]["figure"]["evidence"] == "artifact"


STUB = """
#include <executorch/runtime/backend/interface.h>
using namespace executorch::runtime;
struct Stub final : BackendInterface {
  bool is_available() const override { return false; }
  Result<DelegateHandle*> init(BackendInitContext&, FreeableBuffer*, ArrayRef<CompileSpec>) const override {
    return Error::Internal;
  }
  Error execute(BackendExecutionContext&, DelegateHandle*, Span<EValue*>) const override { return Error::Internal; }
};
static Stub stub;
static auto registered = register_backend({"VulkanBackend", &stub});
"""


@pytest.mark.slow
def test_the_runner_of_a_board_is_built_there_and_asks_for_the_delegate(edgec, built, camera, tmp_path):
    """Built here on ExecuTorch's wheel, which has no Vulkan: the sources compile, and run what that wheel can run."""
    bundle, out = Path(built["board"]["folder"]), tmp_path / "a build"
    (executorch,) = importlib.util.find_spec("executorch").submodule_search_locations
    configure = ["cmake", "-S", bundle / "runner", "-B", out, f"-DCMAKE_PREFIX_PATH={executorch}"]
    done(*configure)
    done("cmake", "--build", out, "-j2")
    asked = {**os.environ, "EDGEC_RUNNER": str(out / "edgec-run")}
    refused = run(bundle / "verify.sh", env=asked)
    assert (refused.returncode, json.loads(refused.stdout)["stage"]) == (7, "run")
    assert "Backend VulkanBackend is not registered" in refused.stderr
    other = camera.folder("linux-x86_64")
    given = ["--no-bench", "--evidence", "host", "--bundle-digest", sha256_of(other / "SHA256SUMS")]
    assert json.loads(done(out / "edgec-run", "--bundle", other, "--self-test", *given))["golden"]["passed"]

    # A delegate's static library, which nothing names, is linked whole.
    (tmp_path / "stub.cpp").write_text(STUB)
    include = Path(executorch) / "include"
    headers = [f"-I{include}", f"-I{include / 'executorch/runtime/core/portable_type/c10'}"]
    made = tmp_path / "stub.o"
    done("c++", "-std=c++17", "-DC10_USING_CUSTOM_GENERATED_MACROS", *headers, "-c", tmp_path / "stub.cpp", "-o", made)
    done("ar", "rcs", tmp_path / "libstub.a", made)
    done(*configure, f"-DEDGEC_DELEGATE_LIBRARIES={tmp_path / 'libstub.a'}")
    done("cmake", "--build", out, "-j2")
    assert "VulkanBackend" in json.loads(done(out / "edgec-run", "--bundle", other, "--info"))["backends"]


CHECKOUT = """
# NOT ExecuTorch: a stand-in for its checkout, with what the runner asks for, made of the wheel's libraries.
cmake_minimum_required(VERSION 3.24)
foreach(option EXTENSION_DATA_LOADER EXTENSION_FLAT_TENSOR EXTENSION_MODULE EXTENSION_NAMED_DATA_MAP EXTENSION_TENSOR
               KERNELS_OPTIMIZED KERNELS_QUANTIZED DEVTOOLS VULKAN)
  if(NOT EXECUTORCH_BUILD_${option})
    message(FATAL_ERROR "EXECUTORCH_BUILD_${option} is off")
  endif()
endforeach()
file(GLOB LIBRARIES "WHEEL/lib/libexecutorch*.so")
list(FILTER LIBRARIES EXCLUDE REGEX "openvino|qnn")
foreach(name executorch extension_module_static extension_data_loader extension_threadpool etdump optimized_native_cpu_ops_lib
             quantized_ops_lib)
  add_library(${name} INTERFACE)
endforeach()
target_link_libraries(executorch INTERFACE "-Wl,--no-as-needed" ${LIBRARIES})
add_library(vulkan_backend STATIC stub.cpp)
target_include_directories(vulkan_backend PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/.." "runtime/core/portable_type/c10")
target_compile_definitions(vulkan_backend PRIVATE C10_USING_CUSTOM_GENERATED_MACROS)
set(WHOLE "$<TARGET_FILE:vulkan_backend>")
target_link_options(vulkan_backend INTERFACE "SHELL:LINKER:--whole-archive ${WHOLE} LINKER:--no-whole-archive")
"""


@pytest.mark.slow
def test_the_runner_of_a_board_is_built_with_a_checkout(built, camera, tmp_path):
    """The stand-in's options and targets bear the names of ExecuTorch's own build; no registry has its sources."""
    (executorch,) = importlib.util.find_spec("executorch").submodule_search_locations
    root = tmp_path / "executorch"
    (root / "tools" / "cmake").mkdir(parents=True)
    (root / "tools" / "cmake" / "Codegen.cmake").touch()
    (root / "CMakeLists.txt").write_text(CHECKOUT.replace("WHEEL", executorch))
    (root / "stub.cpp").write_text(STUB)
    for folder in (Path(executorch) / "include" / "executorch").iterdir():
        (root / folder.name).symlink_to(folder)
    runner, out = Path(built["board"]["folder"]) / "runner", tmp_path / "build"
    done("cmake", "-S", runner, "-B", out, f"-DEXECUTORCH_ROOT={root}", f"-DCMAKE_BUILD_RPATH={executorch}/lib")
    done("cmake", "--build", out, "-j2")
    facts = json.loads(done(out / "edgec-run", "--bundle", camera.folder("linux-x86_64"), "--info"))
    assert {"VulkanBackend", "XnnpackBackend"} <= set(facts["backends"])
    (root / "tools" / "cmake" / "Codegen.cmake").unlink()
    refused = run("cmake", "-S", runner, "-B", tmp_path / "other", f"-DEXECUTORCH_ROOT={root}")
    assert refused.returncode and "is not a checkout of ExecuTorch" in refused.stderr


def done(*command):
    finished = run(*command)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    return finished.stdout


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_vela_estimates_the_npu_and_the_plan_says_which(built):
    names = {figure["name"] for figure in facts(built["sensor"])["figures"]}
    assert {"cycles.npu", "latency.npu"} <= names


def test_openvinos_bundle_verifies_itself_with_the_libraries_that_it_brings(built):
    folder = Path(built["server"]["folder"])
    record = facts(built["server"])
    assert record["program"]["backends"] == ["OpenvinoBackend"] and not record["program"]["not_run"]
    assert any(path.name.startswith("libopenvino") for path in (folder / "lib").iterdir())
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}  # nothing of this machine's Python
    done = subprocess.run(
        [folder / "verify.sh", "--samples", "64"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)
    assert verified["golden"]["passed"] and {verdict["status"] for verdict in verified["verdicts"]} == {"met"}


def test_openvinos_bundle_lacks_nothing_that_its_runner_loads(built, tmp_path):
    """Without its own OpenVINO the runner says so, in place of taking another from somewhere."""
    copy = tmp_path / "bundle"
    shutil.copytree(built["server"]["folder"], copy)
    for library in (copy / "lib").glob("libopenvino*"):
        library.unlink()
    done = subprocess.run([copy / "bin" / "edgec-run", "--self-test"], capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 5) and done.stderr


@pytest.mark.slow
def test_openvinos_bundle_is_the_same_when_it_is_built_again(edgec, built, project, tmp_path):
    again = build(edgec, project, "--target", "server", "--out", tmp_path / "again", "--no-cache")
    first, second = Path(built["server"]["tarball"]), Path(again["server"]["tarball"])
    assert first != second and sha256_of(first) == sha256_of(second)
