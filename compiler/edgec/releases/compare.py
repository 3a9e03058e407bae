"""Two Releases go in; their Difference comes out, or a refusal to compare what are no two releases of one thing."""

from __future__ import annotations

from edgec.artifacts.difference import Difference, Side
from edgec.artifacts.release import Release
from edgec.diagnostics import Diagnostic, Failure
from edgec.releases import contents
from edgec.releases.decisions import answered, decided, paired
from edgec.releases.figures import figure_changes


def difference(old: Release, new: Release) -> Difference:
    """Return what changed from ``old`` to ``new``. Raises Failure ``not-comparable`` for two different things."""
    refuse_strangers(old, new)
    samples, pair = paired(old, new)
    return Difference(
        old=_side(old),
        new=_side(new),
        identical=old.digest == new.digest,
        notes=tuple(_notes(old, new)),
        identity=contents.identity(old, new),
        tools=contents.tools(old, new),
        inputs=contents.inputs(old, new),
        samples=samples,
        decisions=decided(old, new, pair) if pair else None,
        answers=answered(old, new),
        figures=figure_changes(old, new, pair),
        parts=contents.parts(old, new),
        operators=contents.operators(old, new),
        verdicts=contents.verdicts(old, new),
    )


def refuse_strangers(old: Release, new: Release) -> None:
    """Raise Failure where the tasks differ, or the names and what the models take and give: figures would mean nothing."""
    same = old.name == new.name or old.signature == new.signature
    if old.task == new.task and same:
        return
    what = f"{old.title} ({old.task}) and {new.title} ({new.task})"
    why = "their tasks differ" if old.task != new.task else "neither their names nor their inputs and outputs agree"
    hint = "name two releases of one bundle; `edgec inspect` shows what each is"
    raise Failure(Diagnostic(code="not-comparable", message=f"{what} are not two releases of one thing: {why}", hint=hint))


def _side(release: Release) -> Side:
    return Side(
        path=release.path,
        name=release.name,
        version=release.version,
        target=release.target,
        bundle_sha256=release.digest,
    )


def _notes(old: Release, new: Release) -> list[str]:
    found = []
    if old.digest == new.digest:
        found.append("both are the same bundle, byte for byte")
    if old.name != new.name:
        found.append(f"the names differ ({old.name}, {new.name}); tasks, inputs and outputs agree")
    if old.target != new.target:
        found.append(f"the targets differ ({old.target}, {new.target}): nothing that a clock measured is compared")
    if old.labels != new.labels and old.labels and new.labels:
        found.append("the labels differ: decisions are compared by class name")
    return found
