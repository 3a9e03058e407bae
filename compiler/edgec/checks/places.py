"""What the rules share: a place in the manifest, and the budgets that stand in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from edgec.artifacts.document import Route
from edgec.artifacts.manifest import Budget, Manifest, TargetChoice
from edgec.diagnostics import Diagnostic, Failure, Location


def at(*route: str | int, on: Literal["key", "value"] = "value") -> Location:
    """Return the place at ``route``; ``stages/check.py`` fills in the file."""
    return Location(file="", route=route, on=on)


def of(target: TargetChoice, key: str) -> Location:
    """Return the place of one key of a target: in its target file where that gave it, else in the manifest."""
    return target.places.get(key) or at(*target.route, key)


def budget_lists(manifest: Manifest) -> Iterator[tuple[Budget, ...]]:
    """Yield the manifest's budgets, then each target's own."""
    yield manifest.budgets
    for target in manifest.targets:
        if target.budgets is not None:
            yield target.budgets


def budgets(manifest: Manifest) -> Iterator[Budget]:
    """Yield every budget that the manifest writes, the targets' own included."""
    for group in budget_lists(manifest):
        yield from group


def rooted(node: Route, findings: Callable[[], list[Diagnostic]]) -> list[Diagnostic]:
    """Return a plugin's findings, whose routes start at ``node``, with routes that start at the manifest's top."""
    try:
        found = findings()
    except Failure as failure:
        found = list(failure.diagnostics)
    return [replace(finding, where=_below(node, finding.where), related=_related(node, finding)) for finding in found]


def _below(node: Route, where: Location | None) -> Location:
    """A place in another file stays; what has no place stands at ``node``."""
    if where is None:
        return Location(file="", route=node)
    return where if where.file else replace(where, route=(*node, *where.route))


def _related(node: Route, finding: Diagnostic) -> tuple[tuple[str, Location], ...]:
    return tuple((text, _below(node, where)) for text, where in finding.related)
