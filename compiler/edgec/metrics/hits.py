"""Which samples' highest score is the labelled class: what the metrics of one class a sample share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.samples import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray


def hits(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation) -> NDArray[Any]:
    """Return 1.0 or 0.0 a sample [N], of the first output, scores [N, classes]. Raises ValueError where there are no labels."""
    if evaluation.labels is None:
        raise ValueError("this metric compares with labels, and this data has none")
    guesses = outputs[0].reshape(len(evaluation.labels), -1).argmax(axis=1)
    right: NDArray[Any] = (guesses == evaluation.labels).astype("float64")
    return right
