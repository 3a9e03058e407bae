"""Scores and truths of an anomaly task: what its metrics share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Diagnostic, Failure, Location

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scored(evaluation: Evaluation) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the artifact's scores [N] in float64 and whether each sample is a fault [N].

    Raises Failure ``data-labels`` where the truth is not a number a sample, is below 0 (scikit-learn's -1 is a fault), or
    only one of 0 and above 0 occurs.
    """
    labels, count = evaluation.labels, len(evaluation.ids)
    if labels is None or labels.dtype.kind not in "iufb" or labels.size != count:
        raise _unfit("the truth of an anomaly is one number a sample, 0 for normal and 1 for a fault")
    if (least := labels.min(initial=0)) < 0:
        raise _unfit(f"the truth of an anomaly is 0 for normal and 1 for a fault; here it is {least:g}")
    faulty = labels.reshape(count) > 0
    if faulty.all() or not faulty.any():
        kind = "faults" if faulty.all() else "normal samples"
        raise _unfit(f"the evaluation data holds only {kind}: nothing tells how well they are told apart")
    scores: NDArray[Any] = evaluation.outputs[0].reshape(count).astype("float64")
    return scores, faulty


def _unfit(message: str) -> Failure:
    hint = "give 0 or 1 for each sample under `label`, in the order of time within a recording"
    return Failure(Diagnostic(code="data-labels", message=message, where=Location(file="", route=()), hint=hint))
