"""What a kind of bundle is printed from: the judged plan, its artifact, its figures, and the record that every kind holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.bundle import Runner
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Measured
from edgec.artifacts.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Parts:
    """``job_folder`` holds model.pte and the golden vectors; ``record`` is bundle.json's.

    ``runner`` is there for the kinds that carry edgec's own. ``lacking`` are the delegates that, on Linux, no package has
    the runtime of.
    """

    plan: Plan
    lowered: Lowered
    job_folder: Path
    measured: Measured
    record: Mapping[str, Json]
    runner: Runner | None
    lacking: tuple[str, ...]
