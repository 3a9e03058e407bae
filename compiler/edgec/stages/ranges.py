"""Data that ranges are learned from, held against the evaluation data: values of another size make a silently wrong model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from edgec.artifacts.manifest import Input
from edgec.artifacts.plan import Plan
from edgec.artifacts.samples import NO_CLASS, Sample
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import plugin

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATIO = 8.0
"""From here on 3 of 8 bits are lost, or all but the smallest eighth of the values is cut off; scalings gone wrong are
further apart (255 for pictures, 32768 for sound), and samples of one kind nearer."""

LOOKED_AT = 16
"""Samples of each data set that are looked at, evenly spaced."""


class Identified(Protocol):
    """What ``Dataset.samples`` gives: samples that are decoded when they are indexed, and their ids and truths at once."""

    def __getitem__(self, index: int, /) -> Sample: ...

    def identities(self) -> Sequence[tuple[str, Any]]: ...


def refuse_other_ranges(
    plan: Plan, calibration: Sequence[Sample], training: Sequence[Sample], evaluation: Sequence[Sample]
) -> None:
    """Hold what the recipe learns ranges from against what the artifact is judged on. Raises Failure ``calibration-range``."""
    for role in plugin("recipes", plan.recipe.name).NEEDS_DATA:
        refuse_other_range(plan.inputs, role, calibration if role == "calibration" else training, evaluation)


def refuse_other_range(inputs: Sequence[Input], role: str, learned: Sequence[Sample], evaluation: Sequence[Sample]) -> None:
    """Raise Failure ``calibration-range`` where the samples of ``role`` are RATIO times larger or smaller than evaluation's.

    Compared is the median over samples of each sample's largest absolute value, so that a few loud samples say nothing.
    Integer inputs and data sets without samples are passed over.
    """
    if not learned or not evaluation:
        return
    # A role without data is (); every other sequence of samples is a data set's.
    sides = cast(Identified, learned), cast(Identified, evaluation)
    for item in inputs:
        if not item.dtype.startswith("float"):
            continue
        ours, theirs = (_typical(item.name, samples) for samples in sides)
        if ours <= 0 or theirs <= 0 or 1 / RATIO < ours / theirs < RATIO:
            continue
        larger = ours > theirs
        times = ours / theirs if larger else theirs / ours
        message = (
            f"the {role} data for {item.name!r} reaches {ours:.3g} in a typical sample and the evaluation data {theirs:.3g}, "
            f"{times:.3g} times {'less' if larger else 'more'}: one of the two is scaled otherwise than what the device feeds"
        )
        lost = "most of the 8 bits would go unused" if larger else "most values would be cut off"
        raise Failure(Diagnostic(code="calibration-range", message=message, hint=f"scale both alike; as it is, {lost}"))


def _typical(name: str, samples: Identified) -> float:
    """The median over samples of a data set of the largest value of an input.

    Windows of recordings are passed over, if there is anything else: in a quiet room they say nothing of how words are scaled.
    """
    import numpy as np

    labels = [label for _, label in samples.identities()]
    windows = [isinstance(label, int) and label == NO_CLASS for label in labels]
    counted: Sequence[int] = [index for index, window in enumerate(windows) if not window] or range(len(windows))
    count = min(LOOKED_AT, len(counted))
    chosen = [samples[counted[index * len(counted) // count]] for index in range(count)]
    return float(np.median([_largest(sample.tensors[name]) for sample in chosen if name in sample.tensors] or [0.0]))


def _largest(array: NDArray[Any]) -> float:
    return float(abs(array).max(initial=0.0))
