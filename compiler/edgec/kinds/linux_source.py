"""A folder for Linux whose delegate no package has the runtime of: the runner's sources, for an ExecuTorch that has it."""

from __future__ import annotations

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
from edgec.kinds.scripts import feeding, scripts
from edgec.resources import resource
from edgec.runtime.from_source import FROM_SOURCE

SUMMARY = (
    "Linux, for delegates that no package has the runtime of: the runner's sources for CMake, scripts to run and verify it"
)
RUNNER = False
SELF_TEST = False
JUDGES = True
LAYOUT = Layout(pictures=True)
PLANNED = ""
UNRUN = (
    "the runner: it has to be compiled on an ExecuTorch that was built with the delegate",
    "golden vectors, latency and memory: verify.sh measures them on the device, once the runner is built",
)
DTYPES: tuple[str, ...] = ()
FOLDER = "linux-source"
SCRIPTS = ("run.sh", "verify.sh")


def requirements(parts: Parts) -> tuple[Requirement, ...]:
    """ExecuTorch's sources, in the version that lowered the model."""
    version = parts.lowered.versions.get("executorch", "")
    return (Requirement(name="executorch", version=version, purl=f"pkg:github/pytorch/executorch@v{version}"),)


def figures(plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
    """None: nothing of it runs here."""
    return []


def files(parts: Parts) -> dict[str, File]:
    """Return the runner's sources, and the scripts around what is built of them."""
    plan = parts.plan
    names = [choice.name for choice in plan.delegates]
    wanted = [FROM_SOURCE[name] for name in names if name in FROM_SOURCE]
    facts = {
        "executorch": parts.lowered.versions.get("executorch", ""),
        "release": plan.version.partition("-")[0].partition("+")[0],
        "options": list(dict.fromkeys(option for item in wanted for option in item.options)),
        "targets": list(dict.fromkeys(target for item in wanted for target in item.targets)),
    }
    made = scripts(parts, SCRIPTS, source=True)
    made |= {f"runner/{name}": File(content=path) for name, path in _sources().items()}
    cmake = environment(FOLDER, finalize=code).get_template("CMakeLists.txt.j2")  # whatever is no plain word is refused
    made["runner/CMakeLists.txt"] = File(content=cmake.render(facts).encode())
    told = {"needs": [item.needs for item in wanted if item.needs], "lacking": parts.lacking}
    fed = {**feeding(parts.record), "video": False}
    made["README.md"] = readme_file(FOLDER, {**readme(parts), **facts, **told, **fed})
    return made


def check(folder: Path, facts: Json) -> list[Diagnostic]:
    """Nothing beyond the digests: no file repeats what bundle.json says."""
    return []


def _sources() -> dict[str, Path]:
    folder = resource("templates", "runner")
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in (".cpp", ".h")}
    return {name: path for name, path in found.items() if not name.startswith("shim/")}  # for glibc floors, of no use there
