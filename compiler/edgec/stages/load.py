"""From a plan to the model as the artifact runs it: weights loaded, preprocessing in front, outputs named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Dimension, Image, Input, truth_names
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Diagnostic, Failure, Location, first_line
from edgec.exhaustion import exhausted
from edgec.registry import plugin
from edgec.runtime.inference import batches
from edgec.sources.untrained import quieten_residuals, reestimate_batch_norm
from edgec.stages.sound import log_mel
from edgec.store.files import sha256_of
from edgec.store.weights import refused

if TYPE_CHECKING:
    import torch

FLOAT = "give the model in float32: the manifest's `quantization` makes it smaller"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """``model`` takes the artifact's inputs and gives a tuple of tensors named ``outputs``; it is in evaluation mode.

    ``integers`` says which outputs hold integers or truth values: decisions, not measures. ``left_out`` names what else the
    model gives, which is no tensor and which the artifact does not have.
    ``weights_sha256`` is over its tensors, ``weights_file_sha256`` the file's that they came from, else "".
    ``example`` and ``dynamic`` are what ``torch.export`` wants; ``calibration``, ``evaluation`` and ``training`` are empty
    where the manifest names no such data.
    """

    model: torch.nn.Module
    outputs: tuple[str, ...]
    integers: tuple[bool, ...]
    left_out: tuple[str, ...]
    example: tuple[torch.Tensor, ...]
    dynamic: Any
    calibration: Sequence[Sample]
    evaluation: Sequence[Sample]
    training: Sequence[Sample]
    parameters: int
    weights_sha256: str
    weights_file_sha256: str


def load(plan: Plan, project: Project) -> Loaded:
    """Return the model of ``plan`` and its data.

    Raises Failure ``model-not-loaded``, ``non-finite``, or the source's and the data set's own.
    """
    source = plugin("sources", plan.model.name)
    bare = source.load(plan.model.options, project).eval()
    _refuse_unready(bare)
    bare = as_planes(bare)
    calibration, evaluation = _data(plan, project, "calibration"), _data(plan, project, "evaluation")
    model = deployed(bare, plan.inputs).eval()
    example = example_inputs(plan.inputs)
    if not plan.release and (samples := calibration or evaluation):
        # Untrained networks answer a constant until their batch norms know the data.
        quieten_residuals(model, next(iter(batches(samples[:1], plan.inputs, 1))))
        reestimate_batch_norm(model, batches(samples, plan.inputs, 32))
    _refuse_non_finite(bare)
    outputs, integers, left_out = _outputs(plan, bare, model, example)
    return Loaded(
        model=model,
        outputs=outputs,
        integers=integers,
        left_out=left_out,
        example=example,
        dynamic=dynamic_shapes(plan.inputs),
        calibration=calibration,
        evaluation=evaluation,
        training=_data(plan, project, "training"),
        parameters=sum(parameter.numel() for parameter in bare.parameters()),
        weights_sha256=_weights_digest(bare),
        weights_file_sha256=source.weights_digest(plan.model.options, project),
    )


def as_planes(model: torch.nn.Module) -> torch.nn.Module:
    """Return ``model`` with its filters stored plane by plane: the same values, where its code turned them to channels_last.

    XNNPACK's partitioner asserts that filters are contiguous, and ends with "Expected … to be NCHW" where they are not.
    """
    for value in (*model.parameters(), *model.buffers()):
        if value.dim() in (4, 5) and not value.is_contiguous():
            value.data = value.data.contiguous()
    return model


def refuse_changed(project: Project) -> None:
    """Raise Failure ``digest-mismatch`` where a file is not the planned one: the artifact's key would not tell of it."""
    for name, planned in sorted(project.files.items()):
        path = project.root / name
        if not path.is_file() or sha256_of(path) != planned:
            message = f"{name} changed while the model was built from it"
            raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="build again"))


def deployed(model: torch.nn.Module, inputs: Sequence[Input]) -> torch.nn.Module:
    """Return ``model`` behind the artifact's inputs: pictures [N, H, W, 3] in 0..255 become [N, 3, H, W], normalised, and
    sound [N, samples] its features, where the manifest asks for some.

    Its outputs, whatever structure the model gives, become a tuple of tensors in the structure's own order.
    """
    import torch

    images = [item.image for item in inputs]
    fronts = {
        index: log_mel(item.audio.features, item.audio.rate)
        for index, item in enumerate(inputs)
        if item.audio and item.audio.features
    }

    class Deployed(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            for index, front in fronts.items():
                self.add_module(f"front{index}", front)
            for index, image in enumerate(images):
                if image:
                    scale, shift = normalisation(image)
                    self.register_buffer(f"scale{index}", torch.tensor(scale).reshape(1, 3, 1, 1))
                    self.register_buffer(f"shift{index}", torch.tensor(shift).reshape(1, 3, 1, 1))

        def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
            ready = [self.prepared(index, value) for index, value in enumerate(values)]
            return tuple(leaf for _, leaf in tensors(self.model(*ready)))

        def prepared(self, index: int, value: torch.Tensor) -> Any:
            if index in fronts:
                return getattr(self, f"front{index}")(value)
            if not images[index]:
                return value
            # A bare permute would stay outside the delegate as as_strided_copy; a contiguous one is taken.
            planes = value.permute(0, 3, 1, 2).contiguous()
            return planes * getattr(self, f"scale{index}") + getattr(self, f"shift{index}")

    return Deployed()


def normalisation(image: Image) -> tuple[list[float], list[float]]:
    """Return per-channel scale and shift with ``x * scale + shift == (x / 255 - mean) / std``."""
    scale = [1.0 / (255.0 * std) for std in image.std]
    shift = [-mean / std for mean, std in zip(image.mean, image.std, strict=True)]
    return scale, shift


def tensors(outputs: Any) -> list[tuple[str, torch.Tensor]]:
    """Return every tensor inside ``outputs`` (a tensor, or tuples, lists, dicts of them), named by its path."""
    import torch

    return [(name, leaf) for name, leaf in _leaves(outputs) if isinstance(leaf, torch.Tensor)]


def _others(outputs: Any) -> list[str]:
    """Return the name and type of what ``outputs`` holds beside tensors; None says that there is nothing."""
    import torch

    others = [(name, leaf) for name, leaf in _leaves(outputs) if leaf is not None and not isinstance(leaf, torch.Tensor)]
    return [f"{name} ({type(leaf).__name__})" for name, leaf in others]


def _leaves(outputs: Any) -> list[tuple[str, Any]]:
    from torch.utils import _pytree as pytree

    return [(_name(path), leaf) for path, leaf in pytree.tree_flatten_with_path(outputs)[0]]


def _name(path: tuple[Any, ...]) -> str:
    keys = [getattr(key, "key", getattr(key, "name", getattr(key, "idx", "?"))) for key in path]
    words = [f"output{key}" if isinstance(key, int) else re.sub(r"[^A-Za-z0-9_-]", "_", str(key)) for key in keys]
    return "_".join(words) or "output"


def example_inputs(inputs: Sequence[Input]) -> tuple[torch.Tensor, ...]:
    """Return inputs to export with, between the bounds where an axis is dynamic; values do not matter."""
    import torch

    def size(axis: Dimension) -> int:
        # torch.export takes 0 and 1 for constants: a dynamic axis needs at least 2 in the example.
        return axis.maximum if axis.fixed else max(2, axis.middle)

    return tuple(torch.zeros([size(axis) for axis in item.shape], dtype=getattr(torch, item.dtype)) for item in inputs)


def dynamic_shapes(inputs: Sequence[Input]) -> Any:
    """Return ``torch.export``'s dynamic_shapes for a ``forward(*values)``, or None where every axis is fixed."""
    if all(axis.fixed for item in inputs for axis in item.shape):
        return None
    from torch.export import Dim

    def axes(position: int, item: Input) -> dict[int, Any]:
        return {
            axis: Dim(f"input{position}_axis{axis}", min=size.minimum, max=size.maximum)
            for axis, size in enumerate(item.shape)
            if not size.fixed
        }

    return (tuple(axes(position, item) for position, item in enumerate(inputs)),)


def _data(plan: Plan, project: Project, role: str) -> Sequence[Sample]:
    data = plan.dataset(role)
    if data is None:
        return ()
    dataset, names = plugin("datasets", data.format), truth_names(plan.task.options, role)
    try:
        found: Sequence[Sample] = dataset.samples(data.options, project, plan.inputs, plan.labels, names)
    except Failure as failure:
        raise Failure(*(_at_data(item, plan, role) for item in failure.diagnostics)) from failure
    if plugin("tasks", plan.task.name).TRUTH not in ("", "class") and found and isinstance(found[0].label, str):
        message = f"the {role} data's labels are words ({found[0].label!r}), and the task {plan.task.name} takes numbers"
        where = Location(file=plan.manifest, route=("data", role))
        raise Failure(Diagnostic(code="data-labels", message=message, where=where))
    return found


def _at_data(item: Diagnostic, plan: Plan, role: str) -> Diagnostic:
    """A data set's finding at its place in the manifest, unless it has one in another file."""
    where = item.where or Location(file="")
    return item if where.file else replace(item, where=replace(where, file=plan.manifest, route=("data", role, *where.route)))


def _outputs(
    plan: Plan, bare: torch.nn.Module, model: Any, example: tuple[Any, ...]
) -> tuple[tuple[str, ...], tuple[bool, ...], tuple[str, ...]]:
    """Run the model once: names by the structure that it gives, which are integers, and what is no tensor.

    Outputs that do not fit are refused.
    """
    import torch

    names: list[str] = []
    others: list[str] = []

    def look(_module: Any, _inputs: Any, outputs: Any) -> None:
        names.extend(name for name, _ in tensors(outputs))
        others.extend(_others(outputs))

    handle = bare.register_forward_hook(look)
    try:
        with torch.no_grad():
            found = model(*example)
    # Any error of the user's model on inputs of the manifest's shape.
    except Exception as error:
        if exhausted(error):
            raise
        shapes = ", ".join(str(list(value.shape)) for value in example)
        raise Failure(
            Diagnostic(
                code="model-not-loaded",
                message=f"the model does not run on inputs of shape {shapes}: {first_line(error)}",
                hint="make `inputs` what the model's forward takes (a picture reaches it as [1, 3, height, width], log-mel "
                "features as [1, 1, bands, frames])",
            )
        ) from error
    finally:
        handle.remove()
    if not names:
        raise Failure(Diagnostic(code="model-not-loaded", message="the model gives no tensor"))
    given = [tuple(output.shape) for output in found]
    if why := plugin("tasks", plan.task.name).unfit(plan.task.options, plan.labels, given):
        where = Location(file=plan.manifest, route=("task",))
        hint = "make the task's options what the model gives, or take another task"
        if any(item.shape and not item.shape[0].fixed for item in plan.inputs):
            hint += "; of a first axis that varies, as a batch's does, the task takes 1"
        raise Failure(Diagnostic(code="does-not-fit", message=why, where=where, hint=hint))
    integers = tuple(not (output.is_floating_point() or output.is_complex()) for output in found)
    return unique(names), integers, tuple(others)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with ``_2``, ``_3`` … behind those that came before: ``a/b`` and ``a b`` are both written ``a_b``."""
    found: list[str] = []
    for name in names:
        tries = (name, *(f"{name}_{count}" for count in range(2, len(names) + 2)))
        found.append(next(free for free in tries if free not in found))
    return tuple(found)


def _refuse_unready(model: torch.nn.Module) -> None:
    """Raise Failure ``model-not-loaded`` for the first module or tensor whose weights are not plain numbers to export."""
    import torch

    if isinstance(model, torch.jit.ScriptModule):
        raise refused("the model is TorchScript, which torch.export does not take", "give the module that it was made from")
    for name, module in model.named_modules():
        kind = type(module)  # FloatFunctional lies among the quantized ones, and computes in floats
        quantized = re.match(r"torch\.ao\.nn(\.intrinsic)?\.quantized\.(dynamic|modules)", kind.__module__)
        if quantized and kind.__name__ not in ("FloatFunctional", "FXFloatFunctional"):
            raise refused(f"the module {name!r} is quantized already ({type(module).__name__})", FLOAT)
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if found := _unready(value):
            why, hint = found
            raise refused(f"the weights {name!r} {why}", hint)


def _unready(value: torch.Tensor) -> tuple[str, str] | None:
    """Why the values of a parameter or a buffer cannot be read, and what to do."""
    import torch

    if torch.nn.parameter.is_lazy(value):
        return "have no shape yet: they are a lazy layer's", "run the model once where it is built, or give the layer its sizes"
    if value.device.type != "cpu":
        return f"lie on the device {value.device.type}, not in memory", "build the model on the CPU and load its weights there"
    if value.is_quantized:
        return "are quantized already", FLOAT
    if value.layout is not torch.strided:
        kind = str(value.layout).removeprefix("torch.")
        return f"are stored as {kind}, which no artifact holds", "make them dense, with `to_dense()`"
    return None


def _refuse_non_finite(model: torch.nn.Module) -> None:
    """Raise Failure ``non-finite`` for what training or a disk damaged; a buffer may be infinite, as causal masks are."""
    learnt = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    for name, value in _state(model):
        if not value.is_floating_point():
            continue
        bad = ~value.isfinite() if name in learnt else value.isnan()
        if count := int(bad.sum()):
            raise Failure(
                Diagnostic(
                    code="non-finite",
                    message=f"the weights {name!r} hold {count} values that are NaN or infinite",
                    hint="the checkpoint is damaged or its training diverged; use another",
                )
            )


def _weights_digest(model: torch.nn.Module) -> str:
    """Return the sha256 over every parameter and buffer: name, dtype, shape, bytes, sorted by name."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(_state(model)):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        # As bytes: numpy has no bfloat16.
        digest.update(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _state(model: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """The state dict's tensors by name; what a module's ``get_extra_state`` puts in beside them is none."""
    import torch

    return [(name, value) for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)]
