"""What `plan` and `build` share: their options about which plans, and from paths to plans with everything found on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Document
from edgec.artifacts.plan import by_target
from edgec.artifacts.settings import Settings
from edgec.commands.options import output
from edgec.diagnostics import Diagnostic, nearest
from edgec.pipeline import fronts, planned

if TYPE_CHECKING:
    from edgec.pipeline import Work
    from edgec.profiles import Foreseen


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The plans with their projects, every diagnostic so far, and the texts that these point into."""

    work: list[Work]
    diagnostics: list[Diagnostic]
    documents: dict[str, Document]
    foreseen: Foreseen

    @property
    def possible(self) -> list[Work]:
        """The plans without those whose every candidate is foreseen to miss what is asked."""
        return [entry for entry in self.work if entry[0].goal not in self.foreseen.hopeless]

    @property
    def groups(self) -> list[list[Work]]:
        """The possible plans, those of each target together."""
        return by_target(self.possible)


def plans(paths: tuple[Path, ...], settings: Settings, count: bool = False) -> Planned:
    """Return the plans of every valid manifest among ``paths``, with what earlier builds tell of them.

    Those of a project whose policy is broken are left out. ``count`` has a child process count what no earlier build did.
    Raises a usage error for a target that no manifest has.
    """
    from edgec import profiles
    from edgec.store.cache import Cache
    from edgec.store.trust import broken

    passed, diagnostics, documents = fronts(paths or (Path("manifests"),), settings.root, offline=settings.offline)
    if passed:
        _refuse_unknown(settings.targets, passed)
    distrusted, wrong = broken((checked.project for checked in passed), settings.policy)
    passed = [checked for checked in passed if checked.project.root not in distrusted]
    if settings.since is not None:
        passed = _changed(passed, settings.since, settings.policy)
    work, failed = planned(passed, settings)
    cache = Cache(folder=settings.cache) if settings.cache else None
    if count and cache:
        failed += profiles.count(work, settings.policy, cache, output().say)
    foreseen = profiles.foreseen([plan for plan, _ in work], cache)
    told = [*diagnostics, *wrong, *failed, *foreseen.refused]
    if settings.allow_code:  # what was asked for is given
        told = [item for item in told if item.code != "runs-code"]
    return Planned(work=work, diagnostics=told, documents=documents, foreseen=foreseen)


def _changed(passed: list[Checked], revision: str, policy: Path | None) -> list[Checked]:
    """Return the manifests of which something has changed since ``revision``, each asked of its own repository."""
    from edgec.stages.since import touched
    from edgec.store.git import changed_since

    changed = {root: changed_since(revision, root) for root in {checked.project.root for checked in passed}}
    kept = [checked for checked in passed if touched(checked, changed[checked.project.root], policy)]
    output().say(f"--since {revision}: {len(kept)} of {len(passed)} manifests have changed, or what they read has")
    return kept


def _refuse_unknown(wanted: tuple[str, ...], passed: list[Checked]) -> None:
    known = sorted({choice.name for checked in passed for choice in checked.manifest.targets})
    for name in wanted:
        if name not in known:
            close = nearest(name, known)
            meant = f" (did you mean {close!r}?)" if close else ""
            raise click.UsageError(f"no manifest has the target {name!r}{meant}; there is {', '.join(known)}")
