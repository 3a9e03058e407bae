"""A microcontroller's bundle by the command line: its sources compile for the cores they are for, and run on this machine."""

import json
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

import kinds_project
from edgec.kinds.microcontroller import CPU_FLAGS
from edgec.runtime.firmware import GENEROUS
from edgec.runtime.firmware import built as built_for_host
from edgec.runtime.libraries import libraries_for

TARGETS = "[{name: cortex-m4, delegate: portable}, {name: corstone-300, delegate: portable}]"
EXECUTORCH = Path(next(iter(find_spec("executorch").submodule_search_locations)))
HEADERS = EXECUTORCH / "include"
INCLUDES = [f"-isystem{HEADERS}", f"-isystem{HEADERS / 'executorch/runtime/core/portable_type/c10'}"]
DEFINED = ["-DC10_USING_CUSTOM_GENERATED_MACROS"]


@pytest.fixture(scope="module")
def built(edgec, tmp_path_factory):
    folder = tmp_path_factory.mktemp("firmware")
    done = edgec("build", kinds_project.write(folder, TARGETS), "--allow-code", "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def bundle(built):
    return built / "tiny-net" / "1.2.0" / "cortex-m4"


def compiled(command, *, code=0):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def kernels(bundle):
    return json.loads((bundle / "bundle.json").read_text())["program"]["kernels"]


def host_build(bundle, folder, *options):
    """Build the bundle's own sources, with its array and its sizes, against the wheel's libraries."""
    linked = [EXECUTORCH / "lib" / name for name in libraries_for((), kernels(bundle))]
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", *DEFINED, "-DET_EVENT_TRACER_ENABLED", *options]
    sources = [bundle / "src/main.cpp", bundle / "src/model.cpp"]
    where = [f"-I{bundle / 'src'}", f"-I{bundle / 'include'}", *INCLUDES]
    link = [f"-Wl,-rpath,{EXECUTORCH / 'lib'}", "-Wl,--no-as-needed", *linked]
    compiled(["g++", *flags, *where, *sources, *link, "-o", folder / "self-test"])
    return folder / "self-test"


def test_budgets_are_judged_by_what_is_planned_and_the_rest_is_left_to_the_device(built):
    facts = json.loads((built / "tiny-net-1.2.0-cortex-m4.measurements.json").read_text())
    verdicts = {verdict["budget"]: (verdict["status"], verdict["evidence"]) for verdict in facts["verdicts"]}
    assert verdicts == {"memory": ("met", "artifact"), "latency.p90": ("deferred", "none")}


def test_a_host_build_of_the_same_source_runs_every_golden_vector_in_the_sizes_given(bundle, tmp_path):
    done = subprocess.run([host_build(bundle, tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("PASS: ") and sum("agrees" in line for line in lines) >= 4


def test_less_memory_than_given_is_told_and_no_crash(bundle, tmp_path):
    done = subprocess.run(
        [host_build(bundle, tmp_path, "-DEDGEC_METHOD_POOL_BYTES=64")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4 and done.stdout.startswith("FAIL: the model does not load, ExecuTorch error 0x"), done.stdout


def test_a_program_that_no_machine_has_the_kernels_for_is_loaded_with_stand_ins(bundle, tmp_path, cache_folder):
    def pool(linked, absent):
        copy = tmp_path / f"{len(linked)}-{len(absent[0])}-{len(absent[1])}"
        shutil.copytree(bundle, copy)
        executable = built_for_host(copy, copy / "model.pte", linked, absent, cache_folder, False, GENEROUS)
        done = subprocess.run([executable], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()[-1], re.search(r"method pool: \d+", done.stdout).group()

    outside = tuple(name for name in kernels(bundle) if name.startswith("aten::"))
    rest = [name for name in kernels(bundle) if name not in outside]
    with_all = pool(libraries_for((), kernels(bundle)), ((), ()))
    with_stand_ins = pool(libraries_for((), rest), ((), outside))
    assert with_all[0].startswith("PASS") and with_stand_ins[0] == "LOADED"
    assert with_all[1] == with_stand_ins[1]
    # A delegate alone is stood in for as well: nothing of this program asks for it.
    assert pool(libraries_for((), kernels(bundle)), (("NoSuchBackend",), ()))[0] == "LOADED"


def test_a_golden_vector_that_is_off_fails(bundle, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    header = copy / "include/golden_vectors.h"
    text = header.read_text()
    start = text.index("golden_0_outputs_0[] = {") + len("golden_0_outputs_0[] = {")
    end = text.index("}", start)
    header.write_text(text[:start] + "\n" + "0,0,128,63," * text[start:end].count(",").__floordiv__(4) + "\n" + text[end:])
    done = subprocess.run([host_build(copy, tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stdout
    assert "vector 0: DIFFERS" in done.stdout and done.stdout.splitlines()[-1].startswith("FAIL: ")


@pytest.mark.parametrize("cpu", sorted(CPU_FLAGS))
def test_the_sources_compile_for_every_core(bundle, cpu, tmp_path):
    flags = ["-std=c++17", "-Os", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fno-exceptions", "-fno-rtti", *DEFINED]
    where = [f"-I{bundle / 'src'}", f"-I{bundle / 'include'}", *INCLUDES]
    for name in ("main.cpp", "model.cpp"):
        compiled(["arm-none-eabi-g++", *CPU_FLAGS[cpu], *flags, *where, "-c", bundle / "src" / name, "-o", tmp_path / "x.o"])
    with pytest.raises(AssertionError, match="EDGEC_INPUTS"):
        (tmp_path / "wrong.cpp").write_text('#include "edgec_sizes.h"\n#undef EDGEC_INPUTS\nint x = EDGEC_INPUTS;\n')
        compiled(["arm-none-eabi-g++", *where, "-c", tmp_path / "wrong.cpp", "-o", tmp_path / "x.o"])


def test_the_model_may_be_a_section_that_a_linker_script_places(bundle, tmp_path):
    place = f'-DEDGEC_MODEL_FILE="{bundle / "model.pte"}"'
    compiled(["arm-none-eabi-gcc", *CPU_FLAGS["cortex-m4"], place, "-c", bundle / "src/model_pte.S", "-o", tmp_path / "x.o"])
    compiled(["arm-none-eabi-objcopy", "-O", "binary", "-j", ".edgec_model", tmp_path / "x.o", tmp_path / "x.bin"])
    assert (tmp_path / "x.bin").read_bytes() == (bundle / "model.pte").read_bytes() + b"\0"


STAND_IN = """
cmake_minimum_required(VERSION 3.24)
add_library(executorch INTERFACE)
add_library(quantized_ops_lib INTERFACE)
add_library(quantized_kernels INTERFACE)
add_library(portable_kernels INTERFACE)
"""
FUNCTIONS = """
function(executorch_target_link_options_shared_lib name)
endfunction()
function(gen_selected_ops)
  set(one LIB_NAME OPS_SCHEMA_YAML ROOT_OPS INCLUDE_ALL_OPS OPS_FROM_MODEL DTYPE_SELECTIVE_BUILD)
  cmake_parse_arguments(GEN "" "${one}" "" ${ARGN})
  file(WRITE ${CMAKE_BINARY_DIR}/operators.txt "${GEN_ROOT_OPS}")
endfunction()
function(generate_bindings_for_kernels)
endfunction()
function(gen_operators_lib)
  cmake_parse_arguments(GEN "" "LIB_NAME" "KERNEL_LIBS;DEPS" ${ARGN})
  add_library(${GEN_LIB_NAME} INTERFACE)
endfunction()
"""


def stand_in(folder):
    """A checkout of ExecuTorch that is none: its CMake functions do nothing, its headers are the wheel's."""
    root = folder / "executorch"
    shutil.copytree(HEADERS / "executorch", root)
    for name in ("CMakeLists.txt", "tools/cmake/Codegen.cmake", "tools/cmake/Utils.cmake"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "CMakeLists.txt").write_text(STAND_IN)
    (root / "tools/cmake/Utils.cmake").write_text("")
    (root / "tools/cmake/Codegen.cmake").write_text(FUNCTIONS)
    return root


@pytest.mark.parametrize("section", ["OFF", "ON"])
def test_cmake_builds_the_model_for_the_core_against_a_stand_in_for_executorch(bundle, tmp_path, section):
    root = stand_in(tmp_path)
    chosen = ["-DEDGEC_MODEL_IN_SECTION=" + section, "-DEDGEC_ARENA_SECTION=.dtcm", f"-DEXECUTORCH_ROOT={root}"]
    compiled(["cmake", "-S", bundle, "-B", tmp_path / "b", "--toolchain", bundle / "cmake/arm-none-eabi.cmake", *chosen])
    compiled(["cmake", "--build", tmp_path / "b", "--target", "edgec_model"])
    assert (tmp_path / "b" / "operators.txt").read_text().split(",") == [
        name for name in kernels(bundle) if name.startswith(("aten::", "dim_order_ops::"))
    ]
    listed = compiled(["arm-none-eabi-objdump", "-h", tmp_path / "b" / "libedgec_model.a"]).stdout
    assert ".dtcm" in listed and (".edgec_model" in listed) == (section == "ON")


def test_cmake_says_what_it_lacks(bundle, tmp_path):
    done = subprocess.run(
        ["cmake", "-S", bundle, "-B", tmp_path, "--toolchain", bundle / "cmake/arm-none-eabi.cmake"],
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    assert done.returncode != 0 and "EXECUTORCH_ROOT is not a checkout of ExecuTorch" in done.stderr


def test_verify_checks_what_it_can_and_says_what_it_did_not_run(edgec, built, bundle, tmp_path):
    done = edgec("verify", built / "tiny-net-1.2.0-corstone-300.tar.gz", "--output", "json", "--out", tmp_path / "v.json")
    record = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (record["status"], record["evidence"]) == ("not-run", "none")
    assert any("the firmware" in part for part in record["not_run"])
    statuses = {verdict["budget"]: verdict["status"] for verdict in record["verdicts"]}
    assert statuses == {"memory": "met", "latency.p90": "deferred"}
    assert edgec("inspect", bundle).returncode == 0
    told = edgec("inspect", built / "tiny-net-1.2.0-corstone-300.tar.gz", "--with", tmp_path / "v.json")
    assert told.returncode == 0, told.stderr
    refused = edgec("verify", bundle, "--evaluation", tmp_path)
    assert refused.returncode == 2 and "runs here" in refused.stderr


def test_too_little_memory_is_a_missed_budget(edgec, tmp_path):
    path = kinds_project.write(tmp_path, "[{name: cortex-m4, delegate: portable}]", memory="9kB")
    done = edgec("build", path, "--allow-code")
    assert done.returncode == 5, done.stderr
    assert "budget-missed" in done.stderr and "memory" in done.stderr
