"""From a refused comparison to the submodule where the answers first part: by bisection over the tree of modules."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.limit import Limit
from edgec.diagnostics import Failure, Location
from edgec.metrics.sqnr import decibels
from edgec.runtime.calls import Part, Row, calls_in, ours, written
from edgec.runtime.inference import Answers, values

if TYPE_CHECKING:
    import torch

SECONDS = 60.0
"""No further part is compiled after this long; a build that has failed should say so soon."""

Alone = Callable[["torch.nn.Module", Sequence[Row]], Answers]
"""Compiles a module by itself, as far as the step that broke, and returns its answers to the inputs."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How parts are judged: ``alone`` compiles one, ``limit`` is what the broken step allows.

    Inputs beyond ``largest`` (a precision's own range) are not a part's own doing. Names of files start at ``root``.
    """

    alone: Alone
    limit: Limit
    root: Path
    largest: float = float("inf")
    seconds: float = SECONDS


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How far a part, compiled alone, is from eager on the same inputs; ``finite`` is False for NaN or infinity."""

    part: Part
    sqnr: float
    relative_error: float
    finite: bool

    @property
    def words(self) -> str:
        """What a person reads of it."""
        return f"SQNR {self.sqnr:.1f} dB where its inputs agreed" if self.finite else "NaN or infinity from finite inputs"

    def over(self, limit: Limit) -> bool:
        """Whether it alone is beyond what the whole model may be."""
        return not self.finite or self.sqnr < limit.sqnr or self.relative_error > limit.relative_error


def narrowed(failure: Failure, model: Any, rows: Sequence[Row], search: Search) -> Failure:
    """Return ``failure`` with the first diverging submodule of ``model`` named in its hint, and where it is called.

    ``rows`` are inputs of the model, the worst first. What goes wrong here never hides the failure: the hint then says
    that it could not be narrowed down, and why.
    """
    first, *others = failure.diagnostics
    try:
        words, related = _told(*_bisect(model, rows, search), search)
    # A part alone meets whatever torch, a delegate or the user's own code raises; the failure itself must be told.
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        words, related = f"it could not be narrowed down to a submodule: {lines[0]}", ()
    hint = f"{words}\n{first.hint}" if first.hint else words
    return Failure(replace(first, hint=hint, related=(*first.related, *related)), *others, documents=failure.documents)


def _bisect(model: Any, rows: Sequence[Row], search: Search) -> tuple[Part, Gap | None, str]:
    """Return the deepest part that diverges, its gap (None for the model itself), and why it was not followed further."""
    deadline = time.monotonic() + search.seconds
    here = Part(path="", bare=model, module=model, rows=tuple(rows), call=None)
    gap: Gap | None = None
    while True:
        parts = calls_in(here)
        found, why = _culprit(parts, search, deadline)
        if found is None:
            own = "in its own forward code, or in how its parts add up" if parts and here.path else ""
            return here, gap, why or own
        here, gap = found.part, found


def _culprit(parts: list[Part], search: Search, deadline: float) -> tuple[Gap | None, str]:
    """Return the first part that is beyond the limit by itself, or else the one that more than half of the noise is from."""
    gaps: list[Gap] = []
    skipped: list[str] = []
    for part in parts:
        if not _representable(part, search.largest):
            return None, ""
        if time.monotonic() > deadline:
            return None, f"stopped after {search.seconds:.0f} s, before {_shown(part.path)}"
        try:
            gap = _gap(part, search.alone)
        except Failure:
            skipped.append(_shown(part.path))  # it is compiled only with what is around it; its neighbours still tell something
            continue
        if gap.over(search.limit):
            return gap, ""
        gaps.append(gap)
    why = f"not compiled by themselves: {', '.join(skipped)}" if skipped else ""
    return _noisiest(gaps, search.limit), why


def _noisiest(gaps: Sequence[Gap], limit: Limit) -> Gap | None:
    """Return the part that most of the noise is from, if that is more than an equal share of what the limit allows."""
    if len(gaps) < 2:
        return None
    noises = [10 ** (-gap.sqnr / 10) for gap in gaps]
    worst = max(range(len(gaps)), key=lambda index: noises[index])
    share = 10 ** (-limit.sqnr / 10) / len(gaps)
    return gaps[worst] if noises[worst] > max(share, sum(noises) / 2) else None


def _gap(part: Part, alone: Alone) -> Gap:
    import numpy as np
    import torch

    with torch.no_grad():
        expected = [[values(output) for output in part.module(*row)] for row in part.rows]
    actual = alone(part.module, part.rows)
    pairs = [pair for row, answer in zip(expected, actual, strict=True) for pair in zip(row, answer, strict=True)]
    finite = all(bool(np.isfinite(after).all()) for _, after in pairs)
    before, after = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    scale = float(abs(before).max(initial=0.0)) or 1.0
    error = float(abs(after - before).max(initial=0.0)) / scale if finite else float("inf")
    return Gap(part=part, sqnr=decibels(before, after), relative_error=error, finite=finite)


def _representable(part: Part, largest: float) -> bool:
    """Whether what it is fed is finite, also in the recipe's precision; else what comes before it is to blame."""
    return all(
        not value.is_floating_point() or bool((value.abs() <= largest).all() and value.isfinite().all())
        for row in part.rows
        for value in row
    )


def _told(part: Part, gap: Gap | None, why: str, search: Search) -> tuple[str, tuple[tuple[str, Location], ...]]:
    """Return the sentence on a part, and where its source stands in the project."""
    place = _place(part, search.root)
    stands = f", {written(place, search.root)}" if place else ""
    name = f"{_shown(part.path)} ({type(part.bare).__name__}{stands})"
    if part.path == "":
        words = f"no submodule is beyond the limit by itself{'; ' * bool(why)}{why}"
    else:
        words = f"first diverges in {name}{', ' * bool(why)}{why}: {gap.words if gap else ''}"
    if place is None or not ours(place[0], search.root):
        return words, ()
    file = place[0].resolve().relative_to(search.root).as_posix()
    return words, (("the answers first part here", Location(file=file, line=place[1])),)


def _place(part: Part, root: Path) -> tuple[Path, int] | None:
    """Where to look: the forward of the user's own class, else the line that calls the module, else the class' forward."""
    own = _forward(type(part.bare))
    if own and ours(own[0], root):
        return own
    return part.call or own


def _forward(kind: Any) -> tuple[Path, int] | None:
    try:
        file, (_, line) = inspect.getsourcefile(kind.forward), inspect.getsourcelines(kind.forward)
    except (TypeError, OSError):  # built at run time
        return None
    return (Path(file), line) if file else None


def _shown(path: str) -> str:
    """A path as the user knows it: the model stands behind its preprocessing as ``model``."""
    return path.removeprefix("model.") if path not in ("", "model") else "the model"
