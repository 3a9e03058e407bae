"""A folder for Linux: the native runner and its libraries, scripts to run, verify and install it, and a service."""

from __future__ import annotations

from pathlib import Path

from edgec.artifacts.benched import SHORT_LOAD
from edgec.artifacts.bundle import File, Layout, Requirement
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Figure
from edgec.artifacts.parts import Parts
from edgec.artifacts.plan import Plan
from edgec.artifacts.quantity import span
from edgec.diagnostics import Diagnostic
from edgec.kinds.printing import environment, readme, readme_file, systemd_text
from edgec.kinds.scripts import feeding, scripts
from edgec.resources import resource

SUMMARY = "Linux: a native runner, its libraries, scripts to run, verify and install it, and a systemd service"
RUNNER = True
SELF_TEST = False
JUDGES = True
LAYOUT = Layout(pictures=True)
PLANNED = ""
UNRUN: tuple[str, ...] = ()
DTYPES: tuple[str, ...] = ()
FOLDER = "linux-native"
SCRIPTS = ("run.sh", "verify.sh", "install.sh", "trust.sh")


def requirements(parts: Parts) -> tuple[Requirement, ...]:
    """None: the bundle holds all that it runs with."""
    return ()


def figures(plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
    """None: the runner is what is measured."""
    return []


def files(parts: Parts) -> dict[str, File]:
    """Return the runner with its libraries, and the text files; each kind of those has its own way of quoting."""
    assert parts.runner is not None
    plan = parts.plan
    made = {"bin/edgec-run": File(content=parts.runner.executable, executable=True)}
    made |= {f"lib/{path.name}": File(content=path) for path in parts.runner.libraries}
    fed = feeding(parts.record)
    video = fed["feed"] == "image"
    made |= scripts(parts, SCRIPTS, video=video)
    unit = environment(FOLDER, finalize=systemd_text).get_template("systemd/name.service.j2")
    made[f"systemd/{plan.name}.service"] = File(content=unit.render(name=plan.name).encode())
    # The tests read bundle.json when they run; nothing is printed into them.
    made["tests/test_bundle.py"] = File(content=resource("templates", FOLDER, "tests", "test_bundle.py.j2"))
    if video:
        made |= {f"video/{path.name}": File(content=path) for path in _video()}
    made["README.md"] = readme_file(FOLDER, {**readme(parts), **fed, "video": video, "loaded": _long_loads(plan)})
    return made


def _long_loads(plan: Plan) -> list[str]:
    """The loads of budgets that are measured only where that is asked for, as people write them."""
    return [span(seconds) for seconds in sorted({budget.after for budget in plan.budgets if budget.after > SHORT_LOAD})]


def _video() -> list[Path]:
    """Return the programs behind ``run.sh --source``; nothing is printed into them."""
    folder = resource("templates", FOLDER, "video")
    return sorted(path for path in folder.iterdir() if path.suffix in (".py", ".html"))


def check(folder: Path, facts: Json) -> list[Diagnostic]:
    """Nothing beyond the digests: the bundle's own verify.sh tests the rest by running it."""
    return []
