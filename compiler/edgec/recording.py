"""The record of one lowering: answers to the evaluation data, golden vectors, and lowered.json, in the job's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgec.artifacts.codec import to_json
from edgec.artifacts.lowered import Boundary, Lowered, Rewritten, Tensor
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.samples import Sample
from edgec.margins import tolerance
from edgec.registry import plugin
from edgec.runtime.extras import distribution
from edgec.runtime.inference import Answers
from edgec.runtime.program import ProgramFacts
from edgec.stages.evaluate import Answered, golden, write_evaluation
from edgec.stages.load import Loaded
from edgec.stages.lower import Lowering
from edgec.standing import not_run

PACKAGES = ("torch", "torchvision", "torchao", "executorch")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a lowering has found out by its end: answers, comparisons, and how each came about."""

    answered: Answered
    boundaries: tuple[Boundary, ...]
    parity: list[Sample]
    found: Answers
    origin: str
    rewrites: tuple[Rewritten, ...]
    profile: Profile
    decided: Mapping[str, str]


def record(
    plan: Plan, loaded: Loaded, folder: Path, built: Lowering, facts: ProgramFacts, evidence: Evidence
) -> Lowered:
    """Write answers, golden vectors and lowered.json; return the last."""
    outputs = tuple(replace(item, name=name) for name, item in zip(loaded.outputs, facts.outputs, strict=True))
    shapes = [tuple(axis.maximum for axis in item.shape) for item in plan.inputs]
    vectors, largest = golden(folder, evidence.parity, evidence.found, plan.inputs, outputs)
    lowered = Lowered(
        recipe=plan.recipe.name,
        pte_sha256=hashlib.sha256(built.data).hexdigest(),
        pte_bytes=len(built.data),
        inputs=tuple(
            Tensor(name=item.name, dtype=item.dtype, shape=shape)
            for item, shape in zip(plan.inputs, shapes, strict=True)
        ),
        outputs=outputs,
        kernels=tuple(facts.kernels),
        backends=facts.backends,
        operators=built.operators,
        memory=facts.memory,
        boundaries=evidence.boundaries,
        golden=vectors,
        tolerance=tolerance(plan),
        without=plugin("recipes", plan.recipe.name).WITHOUT,
        output_range=largest,
        evaluation=write_evaluation(folder, evidence.answered) if evidence.answered.ids else None,
        resolved={"compared on": evidence.origin, **evidence.decided},
        parameters=loaded.parameters,
        versions={name: found for name in (*PACKAGES, *_delegate_packages(plan)) if (found := _version(name))},
        weights_sha256=loaded.weights_sha256,
        weights_file_sha256=loaded.weights_file_sha256,
        rewrites=evidence.rewrites,
        profile=evidence.profile,
        not_run=not_run(plan),
        estimates=built.estimates,
    )
    text = json.dumps(to_json(lowered), indent=1, sort_keys=True, allow_nan=False)
    (folder / "lowered.json").write_text(text + "\n", encoding="utf-8")
    return lowered


def _delegate_packages(plan: Plan) -> list[str]:
    needs = {name for choice in plan.delegates for name in plugin("delegates", choice.name).NEEDS}
    return sorted({distribution(name) for name in needs} - set(PACKAGES))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
