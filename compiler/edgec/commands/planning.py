"""What `plan` and `build` share: their options about which plans, and from paths to plans with everything found on the way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.artifacts.checked import Checked
from edgec.artifacts.document import Document
from edgec.artifacts.plan import by_target
from edgec.artifacts.settings import Settings
from edgec.commands.options import output
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.pipeline import fronts, planned

if TYPE_CHECKING:
    from edgec.pipeline import Work
    from edgec.profiles import Foreseen


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The plans with their projects, every diagnostic so far, and the texts that these point into.

    ``uncounted`` has what went wrong where a model was to be counted and could not be, by ``reference_key``.
    """

    work: list[Work]
    diagnostics: list[Diagnostic]
    documents: dict[str, Document]
    foreseen: Foreseen
    uncounted: Mapping[str, tuple[Diagnostic, ...]] = field(default_factory=dict)

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
    Raises a usage error for a target that no manifest has, and Failure ``no-manifest`` where there is nothing to plan.
    """
    from edgec import profiles
    from edgec.store.cache import Cache
    from edgec.store.trust import broken

    paths = paths or _default()
    passed, diagnostics, documents = fronts(paths, settings.root, offline=settings.offline)
    if not any(item.severity == "error" for item in diagnostics):  # one that failed may be the one that has the target
        if not passed:
            raise Failure(_targets_alone(paths), *diagnostics, documents=documents)
        _refuse_unknown(settings.targets, passed)
    distrusted, wrong = broken((checked.project for checked in passed), settings.policy)
    passed = [checked for checked in passed if checked.project.root not in distrusted]
    if settings.since is not None:
        kept = _changed(passed, settings.since, settings.policy)
        diagnostics = _without(diagnostics, passed, kept)
        passed = kept
    work, failed = planned(passed, settings)
    cache = Cache(folder=settings.cache) if settings.cache else None
    uncounted = profiles.count(work, settings.policy, cache, output().say) if count and cache else {}
    failed += [item for found in uncounted.values() for item in found]
    foreseen = profiles.foreseen([plan for plan, _ in work], cache)
    told = [*diagnostics, *wrong, *failed, *foreseen.refused]
    if settings.allow_code:  # what was asked for is given
        told = [item for item in told if item.code != "runs-code"]
    return Planned(work=work, diagnostics=told, documents=documents, foreseen=foreseen, uncounted=uncounted)


def _default() -> tuple[Path, ...]:
    """The folder that is meant where none is named. Raises Failure ``no-manifest`` where there is none."""
    from edgec.stages.discover import DEFAULT_FOLDER, none_in

    if not os.path.lexists(DEFAULT_FOLDER):
        raise Failure(none_in(Path(DEFAULT_FOLDER)))
    return (Path(DEFAULT_FOLDER),)


def _targets_alone(paths: tuple[Path, ...]) -> Diagnostic:
    message = f"no manifest in {', '.join(map(str, paths))}: target files alone say nothing of what to build"
    hint = "name a manifest that has such a target; `edgec init` writes one"
    return Diagnostic(code="no-manifest", message=message, hint=hint)


def _without(diagnostics: list[Diagnostic], passed: list[Checked], kept: list[Checked]) -> list[Diagnostic]:
    """Return the diagnostics without the warnings and notes of manifests that are left out."""
    staying = {item for checked in kept for item in checked.warnings}
    leaving = {item for checked in passed for item in checked.warnings if item.severity != "error"} - staying
    return [item for item in diagnostics if item not in leaving]


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
