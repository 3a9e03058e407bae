"""One target of one manifest, or one candidate for it, resolved and torch-free: what a job and later stages work from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from edgec.artifacts.document import Route
from edgec.artifacts.manifest import Budget, Choice, Data, Input, Search
from edgec.artifacts.project import Project
from edgec.artifacts.target import Target


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``manifest`` is the manifest's path as the user named it, for messages; it enters no artifact.

    ``recipe_route`` and ``delegates_route`` are where in it the two were written, for messages too.

    ``files`` maps each input path (relative to the root, POSIX) to its sha256; no path in a Plan is absolute.

    ``folder`` is the manifest's folder relative to the root; paths in options resolve against it.
    ``lowering_key`` digests exactly what the lowering job reads; Plans with equal keys share one job.
    ``allow_code`` is True unless the source runs the project's code and no trust entry or flag allows it.
    ``search`` is the one that this plan is a candidate of: the plans of one target are then what is tried for it.
    ``target_files`` maps each target file that this target comes from, relative to the root, to its sha256.
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
    search: Search | None = None
    recipe_route: Route = ("quantization",)
    delegates_route: Route = ("delegate",)
    target_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def budgets_decide(self) -> bool:
        """Whether the accuracy budgets decide what the recipe makes, so that a job reads them."""
        return bool(self.recipe.options.get("sensitivity"))

    @property
    def label(self) -> str:
        """What a candidate is called: ``int8 (per_channel: false) on xnnpack+portable``."""
        return f"{_called(self.recipe)} on {'+'.join(_called(choice) for choice in self.delegates)}"

    @property
    def goal(self) -> tuple[str, str]:
        """What one bundle is made for: plans of one target of one manifest have it in common."""
        return self.manifest, self.target.name

    def dataset(self, role: str) -> Data | None:
        """Return the data set of that role, or None."""
        return next((data for data in self.data if data.role == role), None)


def by_target(work: Sequence[tuple[Plan, Project]]) -> list[list[tuple[Plan, Project]]]:
    """Return the plans in groups: those of one target of one manifest, which stand side by side."""
    return [list(group) for _, group in groupby(work, key=lambda entry: entry[0].goal)]


def _called(choice: Choice) -> str:
    options = ", ".join(
        f"{key}: {str(value).lower() if isinstance(value, bool) else value}" for key, value in choice.options.items()
    )
    return f"{choice.name} ({options})" if options else choice.name
