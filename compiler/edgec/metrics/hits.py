"""Which samples' highest score is the labelled class: what the metrics of one class a sample share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Diagnostic, Failure, Location

if TYPE_CHECKING:
    from numpy.typing import NDArray


def hits(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation) -> NDArray[Any]:
    """Return 1.0 or 0.0 a sample [N], of the first output, scores [N, classes]. Raises as ``classes`` does."""
    labels = classes(evaluation)
    guesses = outputs[0].reshape(len(labels), -1).argmax(axis=1)
    right: NDArray[Any] = (guesses == labels).astype("float64")
    return right


def classes(evaluation: Evaluation) -> NDArray[Any]:
    """Return the class index of each sample [N].

    Raises ValueError where there are no labels, Failure ``data-labels`` where they are not one class index a sample.
    """
    labels = evaluation.labels
    if labels is None:
        raise ValueError("this metric compares with labels, and this data has none")
    if labels.ndim != 1 or labels.dtype.kind not in "iub":
        message = f"the truth of a sample is one class index; here it is {labels.dtype} {list(labels.shape[1:])}"
        hint = "give evaluation data with one class a sample, as image-folder does"
        where = Location(file="", route=())
        raise Failure(Diagnostic(code="data-labels", message=message, where=where, hint=hint))
    return labels
