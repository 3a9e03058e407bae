"""From the answers at each step of a compilation to a verdict: the first step that changed too much is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import compress, pairwise
from typing import TYPE_CHECKING, Any

from edgec.artifacts.limit import Limit
from edgec.artifacts.lowered import Boundary
from edgec.diagnostics import Diagnostic, Failure
from edgec.metrics.agreement import same_decision
from edgec.metrics.sqnr import decibels
from edgec.runtime.inference import Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL = 16
"""With at least this many samples at least a quarter as many answers must differ; with fewer, two."""

NEAR = 1e-4
"""Answers count as equal when they differ by no more than this share of the largest value."""


class Broken(Failure):
    """A comparison that did not hold: ``step`` is the point whose answers are refused, ``worst`` a sample's id."""

    def __init__(self, diagnostic: Diagnostic, step: str, worst: str) -> None:
        super().__init__(diagnostic)
        self.step = step
        self.worst = worst


def refuse_non_finite(step: str, ids: Sequence[str], found: Answers) -> None:
    """Raise Broken ``non-finite`` when an answer of ``step`` holds NaN or infinity."""
    import numpy as np

    bad = [name for name, row in zip(ids, found, strict=True) if not all(np.isfinite(output).all() for output in row)]
    if bad:
        message = f"{_spoken(step)} answers NaN or infinity for {len(bad)} of {len(ids)} samples, first {bad[0]!r}"
        raise Broken(Diagnostic(code="non-finite", message=message), step, bad[0])


def refuse_constant(step: str, ids: Sequence[str], found: Answers, given: Callable[[], int] | None = None) -> None:
    """Raise Broken ``constant-output`` when ``step`` answers (nearly) the same to samples that differ.

    ``given`` counts the samples that do differ, to FULL; it is asked only where answers are few, and without it all do.
    Constant output of a network is what wrong normalisation, untrained weights and failed quantization look like.
    """
    if not found[0]:  # nothing but integers
        return
    count, kinds = len(found), distinct(found)
    if kinds < _needed(count) and given and (others := given()) < FULL:
        count = others
    if kinds < _needed(count):
        message = f"{_spoken(step)} gives {kinds} distinct answer{'s' * (kinds != 1)} to {count} different samples"
        hint = "check weights, normalisation (mean, std) and, for int8, that calibration data looks like real data"
        raise Broken(Diagnostic(code="constant-output", message=message, hint=hint), step, ids[0])


def _needed(count: int) -> int:
    return min(2, count) if count < FULL else FULL // 4


def distinct(found: Answers) -> int:
    """Return how many answers differ from every one before by more than NEAR of the largest value; counts to FULL."""
    import numpy as np

    rows = [np.concatenate([output.ravel() for output in row]) for row in found]
    largest = max((float(abs(row).max(initial=0.0)) for row in rows), default=0.0)
    kinds: list[NDArray[Any]] = []
    for row in rows:
        if len(kinds) == FULL:
            break
        if all(row.shape != kind.shape or float(abs(row - kind).max(initial=0.0)) > NEAR * largest for kind in kinds):
            kinds.append(row)
    return len(kinds)


def boundary(names: tuple[str, str], ids: Sequence[str], before: Answers, after: Answers) -> Boundary:
    """Return how far ``after`` is from ``before``, worst output first; the answers must have the same shapes.

    Errors are in the outputs' own unit; the relative error is a share of the largest value of that output.
    """
    outputs = [_columns(before, after, index) for index in range(len(before[0]))]
    errors = [[float(abs(a - b).max(initial=0.0)) for b, a in output] for output in outputs]
    scales = [max(float(abs(b).max(initial=0.0)) for b, _ in output) for output in outputs]
    by_sample = [max(row) for row in zip(*errors, strict=True)]
    worst = max(range(len(ids)), key=lambda index: by_sample[index])
    return Boundary(
        before=names[0],
        after=names[1],
        samples=len(ids),
        max_abs_error=max(by_sample),
        max_relative_error=max(
            max(row) / scale if scale else max(row) for row, scale in zip(errors, scales, strict=True)
        ),
        sqnr=min(_sqnr(output) for output in outputs),
        agreement=sum(float(same_decision(_row(b), _row(a)).mean()) for b, a in outputs[0]) / len(ids),
        worst=ids[worst],
    )


def _row(output: NDArray[Any]) -> NDArray[Any]:
    """The answer to one sample behind an axis of samples, which models without a batch leave out: scores [C], a number []."""
    return output if output.ndim > 1 else output[None]


def _columns(before: Answers, after: Answers, index: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    pairs = [(b[index], a[index]) for b, a in zip(before, after, strict=True)]
    return [(b.astype("float64"), a.astype("float64")) for b, a in pairs]


def _sqnr(output: list[tuple[NDArray[Any], NDArray[Any]]]) -> float:
    import numpy as np

    return decibels(np.concatenate([b.ravel() for b, _ in output]), np.concatenate([a.ravel() for _, a in output]))


def judge(boundaries: Sequence[tuple[Boundary, Limit]], decides: bool) -> None:
    """Raise Broken ``parity-broken`` for the first boundary over its limit: SQNR, then relative error, then agreement.

    ``decides`` says whether the task takes the arg-max of the output, so that agreement means something.
    """
    for found, limit in boundaries:
        broken = _over(found, limit, decides)
        if broken:
            message = f"the step from {found.before} to {found.after} changed the answers too much: {broken}"
            hint = f"worst sample: {found.worst} (off by {found.max_abs_error:.3g}); {_advice(found)}"
            raise Broken(Diagnostic(code="parity-broken", message=message, hint=hint), found.after, found.worst)


def _over(found: Boundary, limit: Limit, decides: bool) -> str | None:
    if found.sqnr < limit.sqnr:
        return f"SQNR {found.sqnr:.1f} dB, at least {limit.sqnr:g} dB needed"
    if found.max_relative_error > limit.relative_error:
        return f"error {found.max_relative_error:.2%} of the largest value, at most {limit.relative_error:.2%} allowed"
    if decides and found.agreement < limit.agreement:
        return f"{found.agreement:.1%} of the decisions are the same, at least {limit.agreement:.0%} needed"
    return None


def _advice(found: Boundary) -> str:
    if found.before == "eager" and found.after != "exported":  # all evaluation samples; each step held on some of them
        return (
            "each step held on the samples that were compared step by step: what they change adds up, or this sample is "
            "unlike those; calibrate with samples like it, or take a recipe that rounds less"
        )
    if found.after == "quantized":
        return "calibrate with more, or more typical, samples; or use the recipe fp16 or fp32"
    if found.after == "exported":
        return "the recipe's precision does not suit the model, or it is not deterministic in evaluation mode"
    return "a kernel computes something else than the graph: try another delegate or recipe"


def same_shapes(where: str, ids: Sequence[str], before: Answers, after: Answers) -> None:
    """Raise Failure ``parity-broken`` when ``after`` has other outputs than ``before`` for some sample."""
    for name, b, a in zip(ids, before, after, strict=True):
        expected, found = [item.shape for item in b], [item.shape for item in a]
        if expected != found:
            message = f"{where} gives outputs of shape {found} for {name!r}, not {expected}"
            raise Failure(Diagnostic(code="parity-broken", message=message))


def compare(
    points: Mapping[str, Answers],
    ids: Sequence[str],
    limits: Mapping[str, Limit],
    decides: bool,
    integers: Sequence[bool] = (),
    given: Callable[[], int] | None = None,
) -> tuple[Boundary, ...]:
    """Return a Boundary for each two neighbours in ``points`` (step name to answers, in order), all of them judged.

    Gates in this order: finite → distinct → SQNR → relative error → decisions. ``integers`` says which outputs are integers:
    they are judged by how many are the same, since between class 3 and class 5 there is no error to speak of, and a model
    may have few of them. ``given`` counts different inputs. Raises Failure ``non-finite``, ``constant-output`` or
    ``parity-broken``, of the kind Broken where the answers themselves are refused.
    """
    names = list(points)
    for name in names:
        refuse_non_finite(name, ids, points[name])
    measures = {name: _only(points[name], [not whole for whole in integers]) for name in names}
    refuse_constant(names[0], ids, measures[names[0]], given)
    steps = list(pairwise(names))
    for before, after in steps:
        same_shapes(_spoken(after), ids, points[before], points[after])
    for name in names[1:]:
        refuse_constant(name, ids, measures[name], given)
    decides = decides and not any(integers[:1])
    found = []
    for step in steps:
        if integers and all(integers):  # noted and not judged: what is off by how much says little of decisions
            measured = boundary(step, ids, points[step[0]], points[step[1]])
        else:
            measured = boundary(step, ids, measures[step[0]], measures[step[1]])
            judge([(measured, limits[step[1]])], decides)
        same = [
            _same_integers(step, ids, _only(points[step[0]], alone), _only(points[step[1]], alone), limits[step[1]])
            for index, whole in enumerate(integers)
            if whole and (alone := [other == index for other in range(len(integers))])
        ]
        found.append(replace(measured, agreement=min([measured.agreement, *same] if decides or not same else same)))
    return tuple(found)


def _same_integers(names: tuple[str, str], ids: Sequence[str], before: Answers, after: Answers, limit: Limit) -> float:
    """Return the share of integers of one output that are the same, the mean over samples.

    Raises Broken ``parity-broken`` where they are too few, unless they are near as numbers: levels of a picture, not classes.
    """
    shares = [float((b[0] == a[0]).mean()) if b[0].size else 1.0 for b, a in zip(before, after, strict=True)]
    share = sum(shares) / len(shares)
    if share < limit.agreement and _over(boundary(names, ids, before, after), limit, decides=False):
        worst = ids[shares.index(min(shares))]
        message = (
            f"the step from {names[0]} to {names[1]} changed the answers too much: {share:.1%} of an output's integers are the "
            f"same, at least {limit.agreement:.0%} needed"
        )
        hint = f"worst sample: {worst}; where that may be, give the scores as output and decide on the device"
        raise Broken(Diagnostic(code="parity-broken", message=message, hint=hint), names[1], worst)
    return share


def _only(found: Answers, wanted: Sequence[bool]) -> Answers:
    """Of each sample's outputs those that are wanted; all where nothing is said."""
    return [tuple(compress(row, wanted)) for row in found] if wanted else found


def _spoken(name: str) -> str:
    words = {
        "eager": "the model itself",
        "pte": "the artifact",
        "exported": "the exported graph",
        "reference": "what stands in for the artifact",
    }
    return words.get(name, f"the {name} graph")
