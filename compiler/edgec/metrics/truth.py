"""Numbers that a model gives, less the numbers that are true: what the regression metrics share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Diagnostic, Failure, Location

if TYPE_CHECKING:
    from numpy.typing import NDArray


def residuals(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation) -> NDArray[Any]:
    """Return the first output less the truth, [N, values] in float64. Raises as ``truths`` does."""
    wanted = truths(evaluation, outputs[0])
    difference: NDArray[Any] = outputs[0].reshape(wanted.shape).astype("float64") - wanted
    return difference


def truths(evaluation: Evaluation, output: NDArray[Any]) -> NDArray[Any]:
    """Return the labels as [N, values] in float64, one for each number of ``output`` [N, ...].

    Raises ValueError where there are no labels, Failure ``data-labels`` where they are not numbers of that many values.
    """
    if evaluation.labels is None:
        raise ValueError("a regression metric compares with the truth, and this data has none")
    labels, count = evaluation.labels, len(output)
    if labels.dtype.kind not in "iufb" or labels.size != output.size:
        each, wanted = labels.size // max(count, 1), output.size // max(count, 1)
        message = f"the truth of a sample is {each} of {labels.dtype}, and the model gives {wanted} numbers"
        hint = "give one number (or an array) a sample under `label`, as many as the first output holds"
        where = Location(file="", route=())
        raise Failure(Diagnostic(code="data-labels", message=message, where=where, hint=hint))
    flat: NDArray[Any] = labels.reshape(count, -1).astype("float64")
    return flat
