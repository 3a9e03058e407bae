"""Recall at 1: the share of samples whose nearest neighbour, among all the others, has the same label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.cosine import unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "share of samples whose nearest other sample has the same label"
OPTIONS: Json = {"type": "object", "title": "recall1", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
SHARE = True
HIGHER_IS_BETTER = True
NEEDS_LABELS = True
PAIRED = True

CHUNK = 1024
"""Rows of the similarity matrix held at once: 80 MB for ten thousand samples."""


def value(evaluation: Evaluation, options: Options) -> float:
    """Return recall at 1 of the artifact's first output, vectors [N, D], against labels [N]; 0..1."""
    return float(scores(evaluation.outputs, evaluation, options).mean())


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any]:
    """Return 1.0 or 0.0 a sample; nearest is by cosine, equal ones by position; 0.0 where there is no other sample.

    Raises ValueError where the evaluation has no labels.
    """
    import numpy as np

    if evaluation.labels is None:
        raise ValueError("recall1 compares labels, and this data has none")
    vectors = unit_vectors(outputs[0])
    if len(vectors) < 2:
        return np.zeros(len(vectors))
    nearest = [neighbours(vectors, start) for start in range(0, len(vectors), CHUNK)]
    labels = evaluation.labels.reshape(len(vectors), -1)
    hits: NDArray[Any] = (labels[np.concatenate(nearest)] == labels).all(axis=1).astype("float64")
    return hits


def neighbours(vectors: NDArray[Any], start: int) -> NDArray[Any]:
    """Return, for up to CHUNK rows from ``start`` on, the index of the row with the largest product, itself excluded."""
    import numpy as np

    similarity = vectors[start : start + CHUNK] @ vectors.T
    rows = np.arange(len(similarity))
    similarity[rows, start + rows] = -np.inf
    nearest: NDArray[Any] = similarity.argmax(axis=1)
    return nearest
