"""What became of one plan: a written bundle with its verdicts, or the diagnostics that say why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgec.artifacts.bundle import Written
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Measured, Verdict
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a build was asked for; ``cache`` is None under ``--no-cache``, then everything is made anew."""

    out: Path | None = None
    root: Path | None = None
    targets: tuple[str, ...] = ()
    allow_code: bool = False
    policy: Path | None = None
    strict: bool = False
    offline: bool = False
    jobs: int = 1
    cache: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``diagnostics`` holds errors for what failed or missed, and warnings; ``seconds`` are wall time by stage, clocked."""

    plan: Plan
    lowered: Lowered | None = None
    measured: Measured | None = None
    verdicts: tuple[Verdict, ...] = ()
    written: Written | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    reused: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or the lowest exit code among the errors."""
        return min((d.exit_code for d in self.diagnostics if d.severity == "error"), default=0)
