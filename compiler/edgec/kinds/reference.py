"""The artifact and what it should answer, for a delegate that no runtime runs: to be looked at and compared with."""

from __future__ import annotations

from pathlib import Path

from edgec.artifacts.bundle import File, Layout, Requirement
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Figure
from edgec.artifacts.parts import Parts
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic
from edgec.kinds.printing import readme, readme_file
from edgec.runtime.from_source import FROM_SOURCE

SUMMARY = "For a delegate that no runtime runs: the artifact with its golden vectors"
RUNNER = False
SELF_TEST = False
JUDGES = False
LAYOUT = Layout(pictures=True)
PLANNED = ""
UNRUN = ("the artifact: no runtime of its delegate exists",)
DTYPES: tuple[str, ...] = ()
FOLDER = "reference"


def requirements(parts: Parts) -> tuple[Requirement, ...]:
    """None: nothing of it is built."""
    return ()


def figures(plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
    """None: nothing of it runs."""
    return []


def files(parts: Parts) -> dict[str, File]:
    """Return README.md alone."""
    names = [name for name in parts.lacking if name not in FROM_SOURCE]
    return {"README.md": readme_file(FOLDER, {**readme(parts), "names": names})}


def check(folder: Path, facts: Json) -> list[Diagnostic]:
    """Nothing beyond the digests: no file repeats what bundle.json says."""
    return []
