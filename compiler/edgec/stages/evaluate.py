"""From a model and its artifact to evidence: inputs to compare on, answers to all evaluation data, golden vectors."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.lowered import Golden, Tensor
from edgec.artifacts.manifest import Dimension, Input
from edgec.artifacts.samples import Sample
from edgec.runtime.inference import Answers, answers, runtime_answers
from edgec.runtime.vectors import GOLDEN, ends, evaluation, spread, write_golden, write_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARITY = 16
"""Inputs that every step of the compilation is compared on, evenly spaced through the data."""

CHUNK = 16
Run = Callable[[Sequence["NDArray[Any]"]], "tuple[NDArray[Any], ...]"]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A data set's identifiers, truths, and what the artifact and eager fp32 answer to it, in order."""

    ids: tuple[str, ...]
    labels: tuple[Any, ...]
    outputs: Answers
    reference: Answers


def parity_samples(inputs: Sequence[Input], *data: Sequence[Sample]) -> tuple[list[Sample], str]:
    """Return the samples to compare on, and in a word where they are from: the first of ``data`` that is not empty.

    Without data they are random (seeded). Where an axis is dynamic, random ones of minimum, middle and maximum size
    are added.
    """
    source = next((samples for samples in data if samples), ())
    count = min(PARITY, len(source))
    chosen = [source[index * len(source) // count] for index in range(count)]
    origin = f"{count} of {len(source)} samples" if chosen else f"{PARITY} seeded random inputs"
    if not chosen:
        chosen = [random_sample(inputs, f"random {index}", _middle) for index in range(PARITY)]
    if any(not axis.fixed for item in inputs for axis in item.shape):
        ends = {"minimum": lambda axis: axis.minimum, "middle": _middle, "maximum": lambda axis: axis.maximum}
        chosen += [random_sample(inputs, f"random at {name}", size) for name, size in ends.items()]
        origin += ", and random ones at minimum, middle and maximum size"
    return chosen, origin


def _middle(axis: Dimension) -> int:
    return axis.middle


def random_sample(inputs: Sequence[Input], name: str, size: Callable[[Dimension], int]) -> Sample:
    """Return seeded noise: 0..255 for pictures, standard normal for floats (a tenth of it for sound), else 0 or 1."""
    import numpy as np

    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))

    def tensor(item: Input) -> NDArray[Any]:
        shape = tuple(size(axis) for axis in item.shape)
        if item.image:
            return generator.integers(0, 256, shape).astype("float32")
        if item.audio:
            return (0.1 * generator.standard_normal(shape)).astype("float32")
        if item.dtype.startswith("float"):
            return generator.standard_normal(shape).astype(item.dtype)
        return generator.integers(0, 2, shape).astype(item.dtype)

    return Sample(id=name, tensors={item.name: tensor(item) for item in inputs})


def evaluate(model: Any, run: Run, samples: Sequence[Sample], inputs: Sequence[Input], size: int, known: Answers) -> Answered:
    """Return the answers of ``model`` (``size`` samples at once) and of the artifact; each sample is read once.

    ``known`` are the model's answers where they were computed before, else empty.
    """
    ids, labels = [], []
    outputs: Answers = []
    reference: Answers = []
    for start in range(0, len(samples), CHUNK):
        chunk = [samples[index] for index in range(start, min(start + CHUNK, len(samples)))]
        ids += [sample.id for sample in chunk]
        labels += [sample.label for sample in chunk]
        reference += known[start : start + CHUNK] or answers(model, chunk, inputs, size)
        outputs += runtime_answers(run, chunk, inputs)
    return Answered(ids=tuple(ids), labels=tuple(labels), outputs=outputs, reference=reference)


def write_evaluation(folder: Path, answered: Answered) -> str | None:
    """Write evaluation.npz and return its name; None where outputs vary in shape from sample to sample."""
    content = evaluation(answered.ids, answered.labels, answered.outputs, answered.reference)
    if content is None:
        return None
    write_npz(folder / "evaluation.npz", content)
    return "evaluation.npz"


def golden(
    folder: Path, samples: Sequence[Sample], found: Answers, inputs: Sequence[Input], outputs: Sequence[Tensor]
) -> tuple[tuple[Golden, ...], float]:
    """Write the golden vectors; return their records and the largest absolute output.

    Their answers lie far apart; where an axis is dynamic, the minimum and the maximum size are among them.
    """
    bounds = ends(samples, inputs)
    chosen = sorted({*bounds, *spread(found, GOLDEN - len(bounds))})
    picked, values = [samples[index] for index in chosen], [found[index] for index in chosen]
    largest = max((float(abs(output.astype("float64")).max(initial=0.0)) for row in values for output in row), default=0.0)
    return write_golden(folder, picked, values, inputs, outputs), largest
