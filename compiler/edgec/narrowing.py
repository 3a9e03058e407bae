"""Inside a failed job: parts of the model through the job's own steps, to name the one that diverges or does not run."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Choice, Dimension, Input
from edgec.artifacts.material import Material
from edgec.artifacts.plan import Plan
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Failure
from edgec.registry import plugin
from edgec.runtime.calls import Row
from edgec.runtime.inference import Answers, answers, arrays, batches, runtime_answers, values
from edgec.runtime.program import read_program
from edgec.runtime.session import Session
from edgec.stages.compare import Broken
from edgec.stages.diverge import Search, narrowed
from edgec.stages.load import Loaded
from edgec.stages.lower import lower
from edgec.stages.quantize import export, quantize
from edgec.stages.reach import reached
from edgec.stages.rewrite import Rewriting

if TYPE_CHECKING:
    import torch

ROWS = 8
"""Inputs that each part is compiled for and compared on, the worst sample first."""

LARGEST = {"fp16": 65504.0}
"""The largest number of a precision whose range is narrower than float32's."""


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """What a job has in hand when a comparison fails; ``rewritten`` is its rewriting step, ``limits`` are by step."""

    plan: Plan
    root: Path
    loaded: Loaded
    parity: Sequence[Sample]
    session: Session
    folder: Path
    limits: Mapping[str, Limit]
    rewritten: Callable[[Plan, Any, Answers, Sequence[Sample]], Rewriting]
    material: Material


@contextlib.contextmanager
def narrowing(suspects: Suspects) -> Iterator[None]:
    """A comparison inside it that does not hold raises its Failure with the first diverging submodule named."""
    try:
        yield
    except Broken as broken:
        if broken.step == "eager" and broken.diagnostics[0].code != "non-finite":
            raise  # the model as it is answers one thing to all: nothing parts
        suspects.material.say("looking for the submodule where the answers part")
        limits = suspects.limits
        search = Search(
            alone=functools.partial(_alone, suspects, broken.step),
            limit=limits["total"] if broken.step == "pte" else limits.get(broken.step, limits["exported"]),
            root=suspects.root,
            largest=LARGEST.get(plugin("recipes", suspects.plan.recipe.name).PRECISION, float("inf")),
        )
        raise narrowed(broken, suspects.loaded.model, _rows(suspects, broken.worst), search) from broken


@contextlib.contextmanager
def reaching(suspects: Suspects, program: Any) -> Iterator[None]:
    """An artifact of ``program`` that does not run inside it raises its Failure with the first such operator named."""
    try:
        yield
    except Failure as failure:
        if failure.diagnostics[0].code != "program-not-run":
            raise
        suspects.material.say("looking for the operator with which the artifact does not run")
        row = _rows(suspects, suspects.parity[0].id)[0]
        suspects.session.restart()
        runs = functools.partial(_runs, suspects, row)
        raise reached(failure, program, row, runs, suspects.root) from failure


def _runs(suspects: Suspects, row: Row, program: Any) -> bool:
    """Whether the artifact of a part of the quantized graph loads and runs; a process that died of it is replaced."""
    inputs = tuple(_input(index, value) for index, value in enumerate(row))
    try:
        _ran(suspects, lower(suspects.plan, program, narrow=False).data, [_sample(0, row)], inputs)
    except Failure as failure:
        if failure.diagnostics[0].code != "program-not-run":
            raise
        suspects.session.restart()
        return False
    return True


def _rows(suspects: Suspects, worst: str) -> list[Row]:
    """The worst sample's inputs first, then others'."""
    import torch

    known = {sample.id: sample for sample in suspects.parity}
    if worst not in known and suspects.loaded.evaluation:
        found = next((sample for sample in suspects.loaded.evaluation if sample.id == worst), None)
        known |= {worst: found} if found else {}
    chosen = [known[worst]] if worst in known else []
    chosen += [sample for name, sample in known.items() if name != worst]
    inputs = suspects.plan.inputs
    return [tuple(torch.from_numpy(array) for array in arrays(sample, inputs)) for sample in chosen[:ROWS]]


def _alone(suspects: Suspects, step: str, module: torch.nn.Module, rows: Sequence[Row]) -> Answers:
    """Take ``module`` through the job's steps as far as ``step`` and return its answers there. Raises as those steps do."""
    if step == "eager":
        return _eager(module, rows)
    inputs = tuple(_input(index, value) for index, value in enumerate(rows[0]))
    samples = [_sample(index, row) for index, row in enumerate(rows)]
    plan = replace(suspects.plan, inputs=inputs, recipe=_untrained(suspects.plan))
    program = export(plan, module, tuple(rows[0]), None, suspects.root)
    found = answers(program.module(check_guards=False), samples, inputs)
    if step == "exported":
        return found
    program = suspects.rewritten(plan, program, found, samples).program
    own = functools.partial(batches, samples, inputs, 1)
    material = replace(
        suspects.material, model=module, example=tuple(rows[0]), dynamic=None, inputs=inputs, calibration=own,
        training=(), training_pass=lambda _size: own(), decides=False, record=lambda name, found: None, standing=None,
    )  # fmt: skip
    quantized = quantize(plan, program, material)
    if step == "quantized":
        return answers(quantized.module(check_guards=False), samples, inputs)
    return _ran(suspects, lower(plan, quantized, narrow=False).data, samples, inputs)


def _eager(module: torch.nn.Module, rows: Sequence[Row]) -> Answers:
    import torch

    with torch.no_grad():  # what asks for gradients is no numpy array
        return [tuple(values(output) for output in module(*row)) for row in rows]


def _ran(suspects: Suspects, data: bytes, samples: Sequence[Sample], inputs: Sequence[Input]) -> Answers:
    path = suspects.folder / "part.pte"
    path.write_bytes(data)
    quantized = any("quantized" in name for name in read_program(data).kernels)
    suspects.session.load(path, hashlib.sha256(data).hexdigest(), quantized)
    return runtime_answers(suspects.session.run, samples, inputs)


def _untrained(plan: Plan) -> Choice:
    """A part has no labels to learn from: a recipe that fine-tunes stands back for the one that it fine-tunes for."""
    return Choice(name="int8") if "training" in plugin("recipes", plan.recipe.name).NEEDS_DATA else plan.recipe


def _input(index: int, value: torch.Tensor) -> Input:
    shape = tuple(Dimension(minimum=size, maximum=size) for size in value.shape)
    return Input(name=f"input{index}", dtype=str(value.dtype).removeprefix("torch."), shape=shape)


def _sample(index: int, row: Row) -> Sample:
    return Sample(id=f"row {index}", tensors={f"input{position}": value.numpy() for position, value in enumerate(row)})
