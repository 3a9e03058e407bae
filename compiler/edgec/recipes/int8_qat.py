"""The int8 recipe with fine-tuning: weights learn, on the training data, to bear the rounding (quantization-aware training)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options, filled
from edgec.artifacts.scheme import Scheme
from edgec.recipes.fine_tuning import Course, deterministic, fine_tune, first_ranges
from edgec.recipes.submodules import asked
from edgec.runtime.inference import batch_size, unguarded

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

SUMMARY = "8-bit integers, fine-tuned on training data to bear the rounding"
OPTIONS: Json = {
    "type": "object",
    "title": "int8-qat",
    "additionalProperties": False,
    "properties": {
        "per_channel": {
            "type": "boolean",
            "title": "Scale per output channel",
            "description": "One scale for each output channel, not one for the whole weight.",
            "default": True,
        },
        "epochs": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "title": "Epochs",
            "description": "How often the training data is gone through.",
            "default": 3,
        },
        "learning_rate": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 10,
            "title": "Learning rate",
            "description": "Of the first step; it falls to zero along half a cosine. Take 1e-3 where int8 loses much.",
            "default": 1e-4,
        },
        "batch_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": 4096,
            "title": "Batch size",
            "description": "Samples a step; gradients are added up where the graph does not take as many at once.",
            "default": 32,
        },
        "loss": {
            "enum": ["cross-entropy", "distillation", "mse"],
            "title": "Loss",
            "description": "cross-entropy learns the labels; distillation learns the float32 model's class probabilities and "
            "mse its outputs, both without labels. Default: distillation where the task chooses a class, else mse.",
        },
        "temperature": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 100,
            "title": "Temperature",
            "description": "Divides the scores before their probabilities are compared; distillation only.",
            "default": 1.0,
        },
        "optimizer": {
            "enum": ["adam", "sgd"],
            "title": "Optimizer",
            "description": "adam, or sgd with momentum 0.9; neither decays weights.",
            "default": "adam",
        },
        "frozen_epochs": {
            "type": "integer",
            "minimum": 0,
            "title": "Epochs with frozen ranges",
            "description": "Last epochs in which the observed ranges stand still and only weights move. Default: half of them.",
        },
        "seed": {
            "type": "integer",
            "minimum": 0,
            "maximum": 4294967295,
            "title": "Seed",
            "description": "Of the order in which samples are seen.",
            "default": 0,
        },
        "threads": {
            "type": "integer",
            "minimum": 1,
            "maximum": 256,
            "title": "Threads",
            "description": "Training threads. Another number adds in another order, and so gives other weights.",
            "default": 2,
        },
    },
}
NEEDS: tuple[str, ...] = ()
PRECISION = "int8"
NEEDS_DATA: tuple[str, ...] = ("training",)
OPERATORS: tuple[str, ...] = ("convolution", "linear", "add", "mul", "cat", "adaptive_avg_pool2d")
FEATURES = {"aarch64": {"asimddp": "dot-product instructions"}}

# The weights have learnt, so the graph may be far from the float model in decibels and better in accuracy: only decisions
# are held against it, where the task makes any. The artifact against that graph is held to int8's own limits.
_LEARNT = Limit(sqnr=-math.inf, relative_error=math.inf, agreement=0.5)
LIMITS = {
    "exported": Limit(sqnr=90.0, relative_error=1e-4, agreement=0.99),
    "quantized": _LEARNT,
    "pte": Limit(sqnr=15.0, relative_error=0.5, agreement=0.8),
    "total": _LEARNT,
}
TOLERANCE = (1e-6, 0.02)
"""Golden vectors: those of static int8."""

WITHOUT: Mapping[str, tuple[float, float]] = {}


def course(options: Options, decides: bool) -> Course:
    """Return the options with their defaults filled in; ``decides`` says whether the task chooses a class."""
    given: dict[str, Any] = filled(OPTIONS, {"loss": "distillation" if decides else "mse", **options})
    del given["per_channel"]
    given.setdefault("frozen_epochs", given["epochs"] // 2)
    return Course(**given)


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return the fine-tuned ExportedProgram with quantize and dequantize nodes; the float model stays as it is.

    Batch norms are folded into their convolutions before training (static folding: Nagel et al., "A White Paper on Neural
    Network Quantization", 2021, section 5.2), as static int8 folds them: what is trained is what is shipped. torchao's
    ``prepare_qat_pt2e`` on a graph exported in training mode keeps them, and puts its own epsilon in the model's place.

    Raises Failure ``training-unfit`` where the labels cannot serve the loss, ``training-diverged``, ``recipe-brings-nothing``.
    """
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    plan = course(options, material.decides)
    scheme = Scheme(per_channel=options.get("per_channel", True), training=True, quantized=asked(material.inputs))
    quantizer = delegate.quantizer(scheme, material.delegate_options)
    teacher = unguarded(program)
    # A program's module shares its tensors with the model that it was exported from.
    student = prepare_pt2e(copy.deepcopy(program.module(check_guards=False)), quantizer)
    size = batch_size(teacher, material.training, material.inputs)
    with deterministic(plan.seed, plan.threads):
        first_ranges(student, material, size)
        fine_tune(student, teacher, material, plan, size)
    count = f"{len(material.training)} samples"
    material.record("fine-tuned", f"{plan.epochs} epochs of {count}, {plan.loss}, learning rate {plan.learning_rate:g}")
    return torch.export.export(convert_pt2e(student), material.example, dynamic_shapes=material.graph_dynamic)
