"""Two stored evaluations go in; the samples that they have in common, and what is decided differently on them, come out."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from edgec.artifacts.difference import Answers, ClassChange, Decisions, Flip, Samples, Turn
from edgec.artifacts.evaluated import Evaluated
from edgec.artifacts.release import GoldenAnswer, Release
from edgec.metrics.interval import mcnemar

PER_FILE = ("image-folder", "audio-folder")
"""Formats whose samples are files of their own, which provenance has a digest of; the others' ids count rows of a file."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Positions of the common samples in both evaluations, in the order of the old one."""

    old: tuple[int, ...]
    new: tuple[int, ...]


def paired(old: Release, new: Release) -> tuple[Samples, Paired | None]:
    """Return how the two evaluations lie to each other, and the samples with equal content and truth in both.

    The second is None, and the first says why, where nothing can be compared sample by sample.
    """
    before, after = old.evaluated, new.evaluated
    if before is None or after is None:
        lacking = [side.unevaluated for side in (old, new) if side.evaluated is None]
        which = "both" if len(lacking) == 2 else "the old one" if before is None else "the new one"
        return Samples(refused=f"of {which}: {lacking[0]}"), None
    if refused := _refused(old, new, before, after):
        return Samples(only_old=len(before.samples), only_new=len(after.samples), refused=refused), None
    places = {sample: index for index, sample in enumerate(after.samples)}
    both = [(index, places[sample]) for index, sample in enumerate(before.samples) if sample in places]
    same = [pair for pair in both if _content(old, before, pair[0]) == _content(new, after, pair[1])]
    alike = [pair for pair in same if _truth(old, before, pair[0]) == _truth(new, after, pair[1])]
    samples = Samples(
        common=len(alike),
        only_old=len(before.samples) - len(both),
        only_new=len(after.samples) - len(both),
        changed=len(both) - len(same),
        relabelled=len(same) - len(alike),
        refused="" if alike else "the two evaluations have no sample with equal content in common",
    )
    return samples, Paired(old=tuple(a for a, _ in alike), new=tuple(b for _, b in alike)) if alike else None


def _refused(old: Release, new: Release, before: Evaluated, after: Evaluated) -> str:
    if before.format != after.format:
        return f"the evaluation data was of the format {before.format}, and is {after.format}"
    if before.format not in PER_FILE and _of(old, before.path) != _of(new, after.path):
        return f"the evaluation data {after.path} is another file, and its samples are only counted: they may be others"
    return ""


def _of(release: Release, path: str) -> str | None:
    return release.materials.get(path)


def _content(release: Release, evaluated: Evaluated, index: int) -> str | None:
    """The digest of a sample's own file, where it has one."""
    return release.materials.get(posixpath.join(evaluated.path, evaluated.samples[index]))


def _truth(release: Release, evaluated: Evaluated, index: int) -> str | None:
    return None if evaluated.truth is None else named(release.labels, evaluated.truth[index])


def named(labels: Sequence[str], index: int) -> str:
    """Return a class as people call it: its label, else its number."""
    return labels[index] if 0 <= index < len(labels) else str(index)


def decided(old: Release, new: Release, pair: Paired) -> Decisions | None:
    """Return what the two decide differently on the common samples; None where either decides on no class."""
    before, after = old.evaluated, new.evaluated
    if before is None or after is None or before.decisions is None or after.decisions is None:
        return None
    rows = [
        Flip(
            sample=before.samples[first],
            truth=_truth(old, before, first),
            old=named(old.labels, before.decisions[first]),
            new=named(new.labels, after.decisions[second]),
            turn="unknown",
            float_flipped=_float_flipped(old, new, first, second),
        )
        for first, second in zip(pair.old, pair.new, strict=True)
    ]
    labelled = before.truth is not None and after.truth is not None
    flips = [row for row in rows if row.old != row.new]
    turned = tuple(_turned(row) for row in flips) if labelled else tuple(flips)
    lost, won = (sum(flip.turn == turn for flip in turned) for turn in ("lost", "won"))
    return Decisions(
        common=len(rows),
        flips=turned,
        classes=_classes(rows) if labelled else (),
        p_value=mcnemar(lost, won) if labelled else None,
    )


def _float_flipped(old: Release, new: Release, first: int, second: int) -> bool | None:
    before, after = old.evaluated, new.evaluated
    if before is None or after is None or before.reference is None or after.reference is None:
        return None
    return named(old.labels, before.reference[first]) != named(new.labels, after.reference[second])


def _turned(row: Flip) -> Flip:
    from dataclasses import replace

    turn: Turn = "lost" if row.old == row.truth else "won" if row.new == row.truth else "wrong"
    return replace(row, turn=turn)


def _classes(rows: Sequence[Flip]) -> tuple[ClassChange, ...]:
    """One entry a class of the truth, in the order in which the samples have them."""
    groups: dict[str, list[Flip]] = {}
    for row in rows:
        groups.setdefault(str(row.truth), []).append(row)
    return tuple(_class(label, group) for label, group in groups.items())


def _class(label: str, rows: Sequence[Flip]) -> ClassChange:
    right = [(row.old == row.truth, row.new == row.truth) for row in rows]
    return ClassChange(
        label=label,
        samples=len(rows),
        old=sum(before for before, _ in right),
        new=sum(after for _, after in right),
        lost=sum(before and not after for before, after in right),
        won=sum(after and not before for before, after in right),
    )


def answered(old: Release, new: Release) -> Answers | None:
    """Return how far apart the two answer to the golden vectors that they have in common; None where there is none."""
    common = [
        (old.golden[sample], new.golden[sample])
        for sample in old.golden
        if sample in new.golden and _alike(old.golden[sample], new.golden[sample])
    ]
    if not common:
        return None
    errors = [_error(before, after) for before, after in common]
    equal = sum(before.outputs == after.outputs for before, after in common)
    return Answers(common=len(common), equal=equal, worst=max(errors))


def _alike(old: GoldenAnswer, new: GoldenAnswer) -> bool:
    """Whether inputs are the same and outputs of the same types and sizes."""
    sizes = [[len(output) for output in answer.outputs] for answer in (old, new)]
    return old.inputs == new.inputs and old.dtypes == new.dtypes and sizes[0] == sizes[1]


def _error(old: GoldenAnswer, new: GoldenAnswer) -> float:
    import numpy as np

    worst = 0.0
    for before, after, dtype in zip(old.outputs, new.outputs, old.dtypes, strict=True):
        kind = np.dtype(dtype).newbyteorder("<")
        one, two = (np.frombuffer(raw, kind).astype("float64") for raw in (before, after))
        if one.size and (largest := float(abs(one).max())):
            worst = max(worst, float(abs(two - one).max()) / largest)
    return worst
