"""A folder for Linux whose delegate no package has the runtime of: the runner's sources, for an ExecuTorch that has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.bundle import File, Layout, Requirement
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Figure
from edgec.artifacts.parts import Parts
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic
from edgec.kinds.c_source import code
from edgec.kinds.printing import environment, readme, readme_file
from edgec.kinds.scripts import scripts
from edgec.resources import resource

SUMMARY = (
    "Linux, for delegates that no package has the runtime of: the runner's sources for CMake, scripts to run and verify it"
)
RUNNER = False
JUDGES = True
LAYOUT = Layout(pictures=True)
PLANNED = ""
UNRUN = (
    "the runner: it has to be compiled on an ExecuTorch that was built with the delegate",
    "golden vectors, latency and memory: verify.sh measures them on the device, once the runner is built",
)
FOLDER = "linux-source"
SCRIPTS = ("run.sh", "verify.sh")
BUILT = "build/edgec-run"


@dataclass(frozen=True, kw_only=True)
class Library:
    """What ExecuTorch's own CMake calls a delegate: the option that builds it, the target to link, and what it needs beside."""

    option: str
    target: str
    needs: str = ""


LIBRARIES = {
    "openvino": Library(
        option="EXECUTORCH_BUILD_OPENVINO", target="openvino_backend", needs="OpenVINO's libraries at run time"
    ),
    "vgf": Library(
        option="EXECUTORCH_BUILD_VGF",
        target="vgf_backend",
        needs="a driver, or Arm's emulation layer, with the ML extensions for Vulkan",
    ),
    "vulkan": Library(
        option="EXECUTORCH_BUILD_VULKAN", target="vulkan_backend", needs="glslc for the shaders, a Vulkan driver"
    ),
    "webgpu": Library(
        option="EXECUTORCH_BUILD_WEBGPU", target="webgpu_backend", needs="Dawn: -DDawn_DIR=PATH of its CMake package"
    ),
    "xnnpack": Library(option="EXECUTORCH_BUILD_XNNPACK", target="xnnpack_backend"),
}
"""By the delegate's name: Vulkan and WebGPU share the format and its id, and one program links one of them."""


def requirements(parts: Parts) -> tuple[Requirement, ...]:
    """ExecuTorch's sources, in the version that lowered the model."""
    version = parts.lowered.versions.get("executorch", "")
    return (Requirement(name="executorch", version=version, purl=f"pkg:github/pytorch/executorch@v{version}"),)


def figures(plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
    """None: nothing of it runs here."""
    return []


def files(parts: Parts) -> dict[str, File]:
    """Return the runner's sources with the scripts around what is built of them; README.md alone where no runtime exists."""
    plan = parts.plan
    names = [choice.name for choice in plan.delegates]
    wanted = [LIBRARIES[name] for name in names if name in LIBRARIES]
    runs = all(name in LIBRARIES for name in names if name != "portable")
    facts = {
        "executorch": parts.lowered.versions.get("executorch", ""),
        "release": plan.version.partition("-")[0].partition("+")[0],
        "delegates": wanted,
    }
    made: dict[str, File] = {}
    if runs:
        made |= scripts(parts, SCRIPTS, BUILT, built_there=True)
        made |= {f"runner/{name}": File(content=path) for name, path in _sources().items()}
        cmake = environment(FOLDER, finalize=code).get_template("CMakeLists.txt.j2")  # whatever is no plain word is refused
        made["runner/CMakeLists.txt"] = File(content=cmake.render(facts).encode())
    needs = [library.needs for library in wanted if library.needs]
    made["README.md"] = readme_file(FOLDER, {**readme(parts), **facts, "runs": runs, "needs": needs, "names": names})
    return made


def check(folder: Path, facts: Json) -> list[Diagnostic]:
    """Nothing beyond the digests: no file repeats what bundle.json says."""
    return []


def _sources() -> dict[str, Path]:
    folder = resource("templates", "runner")
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in (".cpp", ".h")}
    return {name: path for name, path in found.items() if not name.startswith("shim/")}  # for glibc floors, of no use there
