"""One target of one manifest, fully resolved and torch-free: what a job and the stages after it work from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgec.artifacts.manifest import Budget, Choice, Data, Input
from edgec.artifacts.target import Target


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``manifest`` is the manifest's path as the user named it, for messages; it enters no artifact.

    ``files`` maps each input path (relative to the root, POSIX) to its sha256; no path in a Plan is absolute.

    ``folder`` is the manifest's folder relative to the root; paths in options resolve against it.
    ``lowering_key`` digests exactly what the lowering job reads; Plans with equal keys share one job.
    ``allow_code`` is True unless the source runs the project's code and no trust entry or flag allows it.
    ``notes`` are what the plan wants the user to know (threads chosen, a recipe that brings nothing here …).
    """

    name: str
    version: str
    description: str
    manifest: str
    manifest_sha256: str
    folder: str
    target: Target
    model: Choice
    inputs: tuple[Input, ...]
    task: Choice
    labels: tuple[str, ...]
    data: tuple[Data, ...]
    recipe: Choice
    delegates: tuple[Choice, ...]
    threads: int
    budgets: tuple[Budget, ...]
    files: Mapping[str, str]
    allow_code: bool
    release: bool
    notes: tuple[str, ...]
    lowering_key: str

    def dataset(self, role: str) -> Data | None:
        """Return the data set of that role, or None."""
        return next((data for data in self.data if data.role == role), None)
