"""Answers to the evaluation data go in; what a later comparison with another release needs of them comes out."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from edgec.artifacts.evaluated import Evaluated
from edgec.artifacts.measured import Measured
from edgec.artifacts.plan import Plan
from edgec.artifacts.samples import Evaluation
from edgec.metrics.agreement import decisions
from edgec.registry import plugin

if TYPE_CHECKING:
    from numpy.typing import NDArray


def remember(plan: Plan, measured: Measured, evaluation: Evaluation) -> Evaluated:
    """Return each sample's truth and decision, and its score by every metric of ``measured`` that is a mean of such.

    Windows of recordings are left out: they are looked at together.
    """
    data = plan.dataset("evaluation")
    assert data is not None, "what was evaluated has data"
    chooses = plugin("tasks", plan.task.name).DECIDES == "sample"
    if plan.labels or chooses:
        evaluation = evaluation.of_classes()
    labels = evaluation.labels if chooses and evaluation.labels is not None and evaluation.labels.ndim == 1 else None
    return Evaluated(
        format=data.format,
        path=posixpath.normpath(str(data.options.get("path", ""))),
        samples=evaluation.ids,
        truth=None if labels is None else tuple(labels.tolist()),
        decisions=_decisions(evaluation.outputs[0]) if chooses else None,
        reference=_decisions(evaluation.reference[0]) if chooses else None,
        scores=_scores(plan, measured, evaluation),
    )


def _decisions(output: NDArray[Any]) -> tuple[int, ...] | None:
    """The class of each sample of ``output`` [N, ...]; None where there is more than one decision a sample."""
    found = decisions(output)
    return tuple(found[:, 0].tolist()) if found.shape[1] == 1 else None


def _scores(plan: Plan, measured: Measured, evaluation: Evaluation) -> dict[str, tuple[float, ...]]:
    found = {}
    options = {budget.statistic: budget.options for budget in plan.budgets if budget.kind == "accuracy"}
    for name in plugin("tasks", plan.task.name).METRICS:
        if not plugin("metrics", name).PAIRED or measured.get(f"accuracy.{name}.drop") is None:  # no mean, or not measured
            continue
        scores = plugin("metrics", name).scores(evaluation.outputs, evaluation, options.get(name, {}))
        found[name] = tuple(float(score) for score in scores)
    return found
