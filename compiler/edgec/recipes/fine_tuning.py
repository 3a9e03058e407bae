"""The training loop of quantization-aware fine-tuning: a graph that imitates roundings learns to bear them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from edgec.artifacts.samples import Sample
from edgec.diagnostics import Diagnostic, Failure
from edgec.runtime.inference import answers, batches

if TYPE_CHECKING:
    from edgec.artifacts.material import Material

MOMENTUM = 0.9
FEW = 64
"""Samples, at least, that the scale of an output is taken from."""
SMALLEST = 1e-12
Loss: TypeAlias = "Callable[[Any, tuple[Any, ...], Sequence[Sample]], Any]"


@dataclass(frozen=True, kw_only=True)
class Course:
    """How to fine-tune: the options with their defaults."""

    epochs: int
    learning_rate: float
    batch_size: int
    loss: str
    temperature: float
    optimizer: str
    frozen_epochs: int
    seed: int
    threads: int


@contextlib.contextmanager
def deterministic(seed: int, threads: int) -> Iterator[None]:
    """Inside it, torch computes in a fixed order on that many threads; settings and generator are put back afterwards."""
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])


def first_ranges(student: Any, material: Material, size: int) -> None:
    """Let every observer see the training data once, in float, so that training starts from ranges that are about right.

    Its moving average would remember the first batch best, and data often comes class by class: here each batch counts alike.
    """
    import torch
    from torchao.quantization.pt2e import disable_fake_quant, enable_fake_quant

    observers = [module for module in student.modules() if hasattr(module, "averaging_constant")]
    usual = [observer.averaging_constant for observer in observers]
    student.apply(disable_fake_quant)
    with torch.no_grad():
        for count, inputs in enumerate(material.training_pass(size), 1):
            for observer in observers:
                observer.averaging_constant = 1.0 / count
            student(*inputs)
    for observer, constant in zip(observers, usual, strict=True):
        observer.averaging_constant = constant
    student.apply(enable_fake_quant)


def fine_tune(student: Any, teacher: Any, material: Material, plan: Course, size: int) -> None:
    """Train the parameters of ``student`` in place, ``size`` samples at once.

    Raises Failure ``training-diverged``, ``training-unfit``, or ``recipe-brings-nothing`` where there is no parameter.
    """
    import torch
    from torchao.quantization.pt2e import disable_observer

    count = len(material.training)
    parameters = [parameter.requires_grad_() for parameter in student.parameters() if parameter.is_floating_point()]
    if not parameters:
        message = "int8-qat trains the model's parameters, and it has none"
        hint = "hold its weights as nn.Parameter, or take int8"
        raise Failure(Diagnostic(code="recipe-brings-nothing", message=message, hint=hint))
    optimizer = _optimizer(parameters, plan)
    steps = plan.epochs * math.ceil(count / plan.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(plan.seed)
    loss = _loss(teacher, material, plan, size)
    for epoch in range(1, plan.epochs + 1):
        if epoch > plan.epochs - plan.frozen_epochs:
            student.apply(disable_observer)
        order, total = torch.randperm(count, generator=generator).tolist(), 0.0
        for start in range(0, count, plan.batch_size):
            chosen = order[start : start + plan.batch_size]
            optimizer.zero_grad()
            found = _gradients(student, loss, chosen, material, size)
            optimizer.step()
            schedule.step()
            total += found * len(chosen) / count
            if not math.isfinite(found):
                raise _diverged(epoch, plan)
        material.say(f"fine-tuning: epoch {epoch} of {plan.epochs}, loss {total:.4g}")
    if not all(bool(parameter.isfinite().all()) for parameter in parameters):
        raise _diverged(plan.epochs, plan)


def _optimizer(parameters: list[Any], plan: Course) -> Any:
    import torch

    if plan.optimizer == "sgd":
        return torch.optim.SGD(parameters, plan.learning_rate, momentum=MOMENTUM)
    return torch.optim.Adam(parameters, plan.learning_rate)


def _gradients(student: Any, loss: Loss, chosen: Sequence[int], material: Material, size: int) -> float:
    """Add up the gradients of one step, as many samples at a time as the graph takes, and return the step's mean loss."""
    total = 0.0
    for start in range(0, len(chosen), size):
        samples = [material.training[index] for index in chosen[start : start + size]]
        inputs = next(batches(samples, material.inputs, len(samples)))
        part = loss(student(*inputs), inputs, samples) * (len(samples) / len(chosen))
        part.backward()
        total += float(part.detach())
    return total


def _loss(teacher: Any, material: Material, plan: Course, size: int) -> Loss:
    """Return what gives the mean loss of the outputs of some samples, a scalar that gradients flow from."""
    import torch
    from torch.nn import functional

    def taught(inputs: tuple[Any, ...]) -> Any:
        with torch.no_grad():
            return teacher(*inputs)

    def cross_entropy(outputs: Any, inputs: tuple[Any, ...], samples: Sequence[Sample]) -> Any:
        scores = outputs[0].reshape(len(samples), -1)
        return functional.cross_entropy(scores, torch.tensor([_label(sample, scores.shape[1]) for sample in samples]))

    def distillation(outputs: Any, inputs: tuple[Any, ...], samples: Sequence[Sample]) -> Any:
        scores, wanted = ((item[0] / plan.temperature).reshape(len(samples), -1) for item in (outputs, taught(inputs)))
        if scores.shape[1] < 2:
            raise _unfit("the model's first output is a single number: there are no classes to distil", "take the loss `mse`")
        gap = functional.kl_div(scores.log_softmax(1), wanted.log_softmax(1), reduction="batchmean", log_target=True)
        return gap * plan.temperature**2

    def mse(outputs: Any, inputs: tuple[Any, ...], samples: Sequence[Sample]) -> Any:
        wanted = taught(inputs)
        pairs = [(*pair, scale) for *pair, scale in zip(outputs, wanted, scales, strict=True) if pair[1].is_floating_point()]
        if not pairs:  # decisions have no gradient
            raise _unfit("the model gives nothing but integers: there is nothing to learn from", "give the scores as outputs")
        return sum(functional.mse_loss(output, item) / scale for output, item, scale in pairs)

    scales = _scales(teacher, material, size) if plan.loss == "mse" else []
    return {"cross-entropy": cross_entropy, "distillation": distillation, "mse": mse}[plan.loss]


def _scales(teacher: Any, material: Material, size: int) -> list[float]:
    """The variance of each output of the float model over a few samples, by which its squared errors are divided."""
    step = max(1, len(material.training) // FEW)
    samples = [material.training[index] for index in range(0, len(material.training), step)]
    found = answers(teacher, samples, material.inputs, size)
    columns = [[row[index].ravel() for row in found] for index in range(len(found[0]))]
    return [max(_variance(column), SMALLEST) for column in columns]


def _variance(rows: list[Any]) -> float:
    import numpy as np

    return float(np.concatenate(rows).astype("float64").var())


def _label(sample: Sample, classes: int) -> int:
    """Return the sample's class. Raises Failure ``training-unfit`` where it has none, or none of the model's."""
    import numpy as np

    label = sample.label
    if not isinstance(label, (int, np.integer)) or not 0 <= label < classes:
        told = "no label" if label is None else f"the label {label!s}, and the model has classes 0 to {classes - 1}"
        message = f"training sample {sample.id!r} has {told}"
        raise _unfit(message, "label the data, or take the loss `distillation` or `mse`, which learn from the float32 model")
    return int(label)


def _unfit(message: str, hint: str) -> Failure:
    return Failure(Diagnostic(code="training-unfit", message=message, hint=hint))


def _diverged(epoch: int, plan: Course) -> Failure:
    message = f"the loss became NaN or infinite in epoch {epoch} of {plan.epochs}"
    hint = f"lower learning_rate ({plan.learning_rate:g}), and look at the training data for samples unlike the rest"
    return Failure(Diagnostic(code="training-diverged", message=message, hint=hint))
