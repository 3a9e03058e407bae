"""Cosine similarity: how nearly the artifact's vectors point where eager fp32's do, on average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "mean cosine similarity to eager fp32's vectors, -1 to 1"
OPTIONS: Json = {"type": "object", "title": "cosine", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = True
BEST = 1.0
NEEDS_LABELS = False
PAIRED = True


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the mean over all samples of the cosine between the first outputs of artifact and eager fp32."""
    return float(scores(evaluation.outputs, evaluation, options).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any]:
    """Return the cosine of each sample's angle, from arrays [N, ...] taken as vectors."""
    similarity: NDArray[Any] = (unit_vectors(outputs[0]) * unit_vectors(evaluation.reference[0])).sum(axis=1)
    return similarity


def unit_vectors(values: NDArray[Any]) -> NDArray[Any]:
    """Return arrays [N, ...] as [N, D] float64 rows of length 1; a row of zeros stays, and is like nothing."""
    import numpy as np

    rows = values.reshape(len(values), -1).astype("float64")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[Any] = rows / np.where(lengths > 0, lengths, 1.0)
    return unit
