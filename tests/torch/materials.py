"""What a recipe gets to work with, made by hand from a module and samples, without a plan or a project."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from edgec.artifacts.manifest import Input
from edgec.artifacts.material import Material
from edgec.artifacts.samples import Sample
from edgec.stages.load import deployed, dynamic_shapes, example_inputs
from edgec.stages.quantize import checked


def samples(arrays: Any, labels: Sequence[Any] = (), name: str = "x") -> list[Sample]:
    """One sample a row of ``arrays``."""
    truths = list(labels) or [None] * len(arrays)
    return [Sample(id=str(index), tensors={name: row[None]}, label=truths[index]) for index, row in enumerate(arrays)]


def prepared(
    module: Any,
    inputs: tuple[Input, ...],
    *,
    calibration: Sequence[Sample] = (),
    training: Sequence[Sample] = (),
    standing: Callable[[Any], Any] | None = None,
    decides: bool = True,
) -> tuple[Any, Material, list[str], dict[str, str]]:
    """Return the exported program, the material, and what will be said and recorded."""
    import torch

    model, example, dynamic = deployed(module, inputs).eval(), example_inputs(inputs), dynamic_shapes(inputs)
    program = torch.export.export(model, example, dynamic_shapes=dynamic)
    said, noted = list[str](), dict[str, str]()
    material = Material(
        model=model,
        example=example,
        dynamic=dynamic,
        inputs=inputs,
        calibration=functools.partial(checked, inputs, calibration, 1),
        training=training,
        training_pass=functools.partial(checked, inputs, training, role="training"),
        decides=decides,
        say=said.append,
        record=noted.__setitem__,
        standing=standing,
    )
    return program, material, said, noted
