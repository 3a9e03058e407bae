"""A search must leave something to try: no part of it may be impossible, stand there twice, or be settled elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from edgec.artifacts.document import Json, Route
from edgec.artifacts.manifest import Manifest, Search
from edgec.artifacts.project import Project
from edgec.checks.candidates import Setting, combinations, likeness, misfit
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return what is wrong with the manifest's search; a combination that cannot be, where others can, is a note."""
    if manifest.search is None:
        return []
    tried = [setting for setting in combinations(manifest) if setting.searched]
    found = [*_beside(manifest.search), *_idle(manifest.search, tried), *_twice(tried)]
    impossible = [*_impossible(tried, manifest)]
    return found + (impossible or [*_passed_over(tried, manifest)])


def _beside(search: Search) -> Iterator[Diagnostic]:
    for key in search.beside:
        kind = "recipes" if key == "quantization" else "delegates"
        yield Diagnostic(
            code="does-not-fit",
            message=f"{key!r} stands beside the search, which is there to find it",
            where=at(key, on="key"),
            hint=f"remove one of the two; `{kind}` of the search says what is tried",
            related=(("the search stands here", at(*search.route)),),
        )


def _idle(search: Search, tried: list[Setting]) -> Iterator[Diagnostic]:
    if not tried:
        message = "the search has nothing to find: every target says its own quantization and delegate"
        yield Diagnostic(
            code="does-not-fit", severity="warning", message=message, where=at(*search.route), hint="remove the search"
        )


def _twice(tried: list[Setting]) -> Iterator[Diagnostic]:
    """Name each entry whose combinations an earlier one makes already, once whatever the number of targets."""
    told: set[tuple[Route, Route]] = set()
    for _, group in groupby(tried, key=lambda setting: setting.target.route):
        first: list[tuple[Json, Setting]] = []
        for setting in group:
            same = likeness(setting.recipe, setting.delegates)
            twin = next((other for like, other in first if like == same), None)
            first.append((same, setting))
            if twin and (pair := _apart(setting, twin)) not in told:
                told.add(pair)
                yield Diagnostic(
                    code="name-twice",
                    message=f"the search tries {words(setting)} twice",
                    where=at(*pair[0]),
                    hint="remove one of the two",
                    related=(("it stands here first", at(*pair[1])),),
                )


def _apart(one: Setting, other: Setting) -> tuple[Route, Route]:
    """The two entries that make two equal combinations."""
    if one.recipe_route != other.recipe_route:
        return one.recipe_route, other.recipe_route
    return one.delegates_route, other.delegates_route


def _impossible(tried: list[Setting], manifest: Manifest) -> Iterator[Diagnostic]:
    """Name each entry of the search, and each target, that no combination is left for."""
    for route in dict.fromkeys(_routes(tried)):
        reasons = [misfit(setting, manifest) for setting in tried if route in _of(setting)]
        told = [reason for reason in reasons if reason]
        if len(told) == len(reasons):
            texts = "; ".join(dict.fromkeys(text for _, text in told))
            code = "needs-data" if all(code == "needs-data" for code, _ in told) else "does-not-fit"
            hint = "remove it from the search, or change what stands in its way"
            yield Diagnostic(code=code, message=f"nothing can be tried with this: {texts}", where=at(*route), hint=hint)


def _routes(tried: list[Setting]) -> Iterator[Route]:
    """Every place once, the entries of the search first: a target's own misfortune follows from theirs."""
    for setting in tried:
        yield setting.recipe_route
    for setting in tried:
        yield setting.delegates_route
    for setting in tried:
        yield setting.target.route


def _of(setting: Setting) -> tuple[Route, ...]:
    return setting.recipe_route, setting.delegates_route, setting.target.route


def _passed_over(tried: list[Setting], manifest: Manifest) -> Iterator[Diagnostic]:
    told: dict[str, Setting] = {}
    for setting in tried:
        if reason := misfit(setting, manifest):
            told.setdefault(f"the search passes over {words(setting)}: {reason[1]}", setting)
    for message, setting in told.items():
        yield Diagnostic(code="does-not-fit", severity="note", message=message, where=at(*setting.recipe_route))


def words(setting: Setting) -> str:
    """Return ``int8 on xnnpack``."""
    return f"{setting.recipe.name} on {'+'.join(choice.name for choice in setting.delegates)}"
