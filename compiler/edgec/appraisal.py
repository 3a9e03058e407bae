"""What a lowered artifact and its answers say without a clock: worked out once, while budgets change around it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.evaluated import Evaluated
from edgec.artifacts.kept import diagnostic_of, figure_of
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic
from edgec.runtime.host import cpu_name
from edgec.stages.measure import artifact_figures, estimated_figures, figures_and_gaps, read_evaluation
from edgec.stages.remember import remember
from edgec.store.cache import Cache
from edgec.store.files import sha256_of
from edgec.store.once import once

KIND = "appraisal"


@dataclass(frozen=True, kw_only=True)
class Appraisal:
    """``figures`` that the job's folder alone determines; ``evaluated`` is what a later comparison needs of its answers.

    ``gaps`` are warnings of metrics that could not be taken of the evaluation data.
    """

    figures: tuple[Figure, ...]
    evaluated: Evaluated | None = None
    gaps: tuple[Diagnostic, ...] = ()


def appraisal(plan: Plan, lowered: Lowered, folder: Path, cache: Cache | None) -> Appraisal:
    """Return what the artifact and its answers in the job's ``folder`` say; nothing is run for it.

    Metrics of the same answers, asked for in the same way, are read from the cache: limits may be others. Raises Failure
    ``needs-data`` where a budget needs labels that the data does not have, and as ``evaluation_figures`` does.
    """
    figures = (*artifact_figures(lowered), *estimated_figures(lowered))
    if not lowered.evaluation:
        return Appraisal(figures=figures)
    answers = folder / lowered.evaluation
    asked = [to_json(replace(budget, limit=0.0, text="", route=())) for budget in plan.budgets if budget.kind == "accuracy"]
    parts = {
        "answers": sha256_of(answers),
        "asked": asked,
        "task": to_json(plan.task),
        "labels": list(plan.labels),
        "inputs": to_json(plan.inputs),
        "data": to_json(plan.dataset("evaluation")),
        "processor": [platform.machine(), cpu_name()],  # whose functions of the same numbers differ in the last digit
    }

    def make() -> Json:
        evaluation = read_evaluation(answers)
        found, gaps = figures_and_gaps(plan, evaluation)
        evaluated = remember(plan, Measured(figures=tuple(found)), evaluation)
        return {"figures": to_json(tuple(found)), "evaluated": to_json(evaluated), "gaps": to_json(tuple(gaps))}

    made = once(cache, KIND, parts, make)
    accuracy = tuple(figure_of(item) for item in made["figures"])
    if lowered.not_run:  # the answers of what stands in for an artifact say nothing for certain about it
        accuracy = tuple(replace(figure, evidence="estimated") for figure in accuracy)
    gaps = tuple(diagnostic_of(item, plan.manifest) for item in made["gaps"])
    return Appraisal(figures=(*figures, *accuracy), evaluated=_evaluated(made["evaluated"]), gaps=gaps)


def _evaluated(record: Mapping[str, Json]) -> Evaluated:
    """Return the Evaluated that ``to_json`` made the record of, without the library that does it in general."""
    columns = {name: tuple(value) for name, value in record.items() if isinstance(value, list)}
    scores = {name: tuple(values) for name, values in record["scores"].items()}
    return Evaluated(**{**record, **columns, "scores": scores})
