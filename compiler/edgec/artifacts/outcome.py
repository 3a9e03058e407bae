"""What became of one plan: a written bundle with its verdicts, or the diagnostics that say why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.bundle import Written
from edgec.artifacts.measured import Measured, Verdict
from edgec.artifacts.plan import Plan
from edgec.artifacts.search import Searched
from edgec.diagnostics import Diagnostic


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is told of an artifact: the recipe that made it, never ``auto``, why it was that one, and the file's sha256."""

    recipe: str
    reason: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``diagnostics`` holds errors for what failed or missed, and warnings.

    Where there was a search, ``plan`` is the candidate that it chose, and ``front`` where it left what is feasible.
    ``since`` is when the bundle was built, where an earlier build had left it and nothing was to be done; else "".
    """

    plan: Plan
    made: Made | None = None
    measured: Measured | None = None
    verdicts: tuple[Verdict, ...] = ()
    written: Written | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    searched: Searched | None = None
    front: Path | None = None
    since: str = ""

    @property
    def exit_code(self) -> int:
        """0, or the lowest exit code among the errors."""
        return min((d.exit_code for d in self.diagnostics if d.severity == "error"), default=0)

    @property
    def status(self) -> str:
        """``unchanged``, ``built``, ``rejected`` (written, and kept from release) or ``failed``."""
        if self.exit_code:
            return "rejected" if self.written else "failed"
        return "unchanged" if self.since else "built"
