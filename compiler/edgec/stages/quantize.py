"""From a loaded model to the graph that is lowered: exported, then quantized as the recipe has it."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Input
from edgec.artifacts.material import Material
from edgec.artifacts.plan import Plan
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Diagnostic, Failure, Location, first_line
from edgec.exhaustion import exhausted
from edgec.registry import plugin
from edgec.runtime.inference import answers, batches
from edgec.upstream.quantizer_patterns import quantizer_patterns_when_needed
from edgec.upstream.shared_pads import pads_that_share
from edgec.upstream.weight_observers import weights_observed_once

if TYPE_CHECKING:
    import torch

EQUAL = r"^ *(input\d+_axis\d+) = (input\d+_axis\d+)$"
"""A line of torch.export's suggested fixes, with the names that ``load`` gives to dynamic axes."""

PRODUCTS = frozenset(
    ("linear", "bilinear", "matmul", "rmatmul", "imatmul", "mm", "bmm", "mv", "dot", "inner", "addmm", "addmv", "addbmm",
     "baddbmm", "einsum", "chain_matmul", "tensordot", "scaled_dot_product_attention", "prelu")
)  # fmt: skip
"""Functions of torch that take one type of float alone, beside convolutions and recurrent layers."""

SMALLEST_HALF = 2.0**-14
"""The smallest normal number of float16."""

LARGEST_LOST = 2.0**-25
"""The largest number that float16 rounds to 0: half of its smallest subnormal one."""

FRONT = re.compile(r"front\d+")
"""What ``deployed`` calls the modules in front of the model, each with the number of its input."""


def export(plan: Plan, model: Any, example: tuple[Any, ...], dynamic: Any, root: Path) -> Any:
    """Return the ExportedProgram of ``model``, or of a float16 copy where the recipe computes in that.

    Axes of equal bounds become one where torch says that the model needs them equal. Raises Failure ``export-failed``.
    """
    import torch

    half = plugin("recipes", plan.recipe.name).PRECISION == "fp16"
    taken, program = halved(model) if half else model, None
    while program is None:
        try:
            program = torch.export.export(taken, example, dynamic_shapes=dynamic)
        # torch.export raises whatever the model's own code raises under tracing.
        except Exception as error:
            if exhausted(error):
                raise
            dynamic, before = _equalled(dynamic, str(error)), dynamic
            if dynamic == before:
                raise _not_exported(error, root, plan) from error
    if half:
        keep_floors(program)
    return program


def shared_axes(program: Any, dynamic: Any) -> Any:
    """Return ``dynamic`` with one Dim for the axes that have one size in ``program``, so that it can be exported again."""
    if dynamic is None:
        return None
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    known: dict[str, Any] = {}
    return (
        tuple(
            {axis: known.setdefault(str(shape[axis]), size) for axis, size in axes.items()}
            for shape, axes in zip(shapes, dynamic[0], strict=True)
        ),
    )


def _equalled(dynamic: Any, words: str) -> Any:
    """``dynamic`` with one Dim in place of two that torch.export wants equal and that have the same bounds."""
    if dynamic is None:
        return None
    known = {size.__name__: size for axes in dynamic[0] for size in axes.values()}
    for one, other in re.findall(EQUAL, words, re.MULTILINE):
        if one in known and other in known and (known[one].min, known[one].max) == (known[other].min, known[other].max):
            known = {name: known[other] if size is known[one] else size for name, size in known.items()}
    return (tuple({axis: known[size.__name__] for axis, size in axes.items()} for axes in dynamic[0]),)


def keep_floors(program: Any) -> None:
    """Raise the floors of float16 values that are zero in float16 to its smallest normal number, in place.

    ``torch.nn.functional.normalize`` divides by the norm, but at least by 1e-12; in float16 that is zero, and a row of zeros
    (padding, in Swin v2's attention) becomes NaN. A floor that float16 does hold, as 1e-5, stays: its logarithm is an answer.
    """
    import torch

    aten = torch.ops.aten
    for node in program.graph.nodes:
        if node.target not in (aten.clamp_min.default, aten.clamp.default) or node.meta["val"].dtype != torch.float16:
            continue
        floor = node.args[1] if len(node.args) > 1 else node.kwargs.get("min")
        if isinstance(floor, float) and 0 < floor <= LARGEST_LOST and len(node.args) > 1:
            node.update_arg(1, SMALLEST_HALF)
    program.graph_module.recompile()


def halved(model: torch.nn.Module) -> torch.nn.Module:
    """Return a float16 copy of ``model`` that converts floats on the way in and out.

    What the model makes in float32 itself, in forward or as a plain attribute, becomes float16 where it meets float16.
    Features in front of it stay in float32, and what comes out of them is converted: the power of loud sound passes 65504.
    """
    import copy

    import torch

    class Wide(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, value: torch.Tensor) -> torch.Tensor:
            return self.inner(value if value.dtype is torch.float32 else value.to(torch.float32)).to(torch.float16)

    fronts = {name: child for name, child in model.named_children() if FRONT.fullmatch(name)}

    class Halved(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            halves = [item.is_floating_point() and f"front{index}" not in fronts for index, item in enumerate(inputs)]
            narrow = [item.to(torch.float16) if half else item for item, half in zip(inputs, halves, strict=True)]
            with _narrowing():
                outputs = self.inner(*narrow)
            return tuple(item.to(torch.float32) if item.is_floating_point() else item for item in outputs)

    narrowed = copy.deepcopy(model).half()
    for name, front in fronts.items():
        setattr(narrowed, name, Wide(copy.deepcopy(front)))
    return Halved(narrowed).eval()


def _narrowing() -> Any:
    """Give a mode in which calls of torch that refuse float32 beside float16 take the former as float16.

    What torch itself promotes stays as it was: a model may compute a norm in float32 on purpose. Of a call in place the
    first argument is what changes: the others take its type.
    """
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils import _pytree as pytree

    floats = {torch.float16, torch.float32}

    class Narrowing(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            tensors = [item for item in pytree.tree_leaves((args, kwargs)) if isinstance(item, torch.Tensor) and item.dim()]
            if not floats <= {item.dtype for item in tensors} or "out" in kwargs:
                return function(*args, **kwargs)
            if not _of_one_type(function.__name__):
                with contextlib.suppress(RuntimeError):  # what else is wrong with the call is told by the one below
                    return function(*args, **kwargs)
            held = args[:1] if _changes_first(function.__name__) else ()
            wanted = held[0].dtype if held else torch.float16

            def narrowed(item: Any) -> Any:
                return item.to(wanted) if item.dim() and {item.dtype, wanted} <= floats else item

            args, kwargs = pytree.tree_map_only(torch.Tensor, narrowed, (args[len(held) :], kwargs))
            return function(*held, *args, **kwargs)

    return Narrowing()


def _of_one_type(name: str) -> bool:
    """Whether a function of torch takes one type of float alone; while a model is exported, most of them do not say so."""
    return name.startswith(("conv", "lstm", "gru", "rnn_")) or name.strip("_") in PRODUCTS


def _changes_first(name: str) -> bool:
    return name == "__setitem__" or name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))


def quantize(plan: Plan, program: Any, material: Material, calibration: Sequence[Sample] = ()) -> Any:
    """Return the ExportedProgram to lower; ``calibration`` are the samples that the material's passes go through.

    Raises Failure ``calibration-…`` where the recipe calibrates and the data cannot serve, ``model-not-loaded`` where the
    model itself fails on a sample, else ``quantize-failed``.
    """
    fed: list[tuple[Sequence[Sample], range]] = []
    material = replace(
        material,
        calibration=_watched(material.calibration, calibration, fed),
        training_pass=_watched(material.training_pass, material.training, fed),
    )
    recipe, delegate = plugin("recipes", plan.recipe.name), plugin("delegates", plan.delegates[0].name)
    try:
        with quantizer_patterns_when_needed(), weights_observed_once(), pads_that_share():
            return recipe.quantize(program, material, delegate, plan.recipe.options)
    except Failure:
        raise
    # PT2E raises AssertionError, RuntimeError and more from deep inside a pass.
    except Exception as error:
        if exhausted(error):
            raise
        for samples, batch in fed:
            answers(material.model, [samples[index] for index in batch], plan.inputs)
        message = f"the recipe {plan.recipe.name} does not work on this model: {first_line(error)}"
        hint = delegate.remedy(plan.delegates[0].options) if hasattr(delegate, "remedy") else None
        raise Failure(Diagnostic(code="quantize-failed", message=message, hint=hint)) from error


def _watched(
    begin: Callable[..., Iterable[tuple[Any, ...]]], samples: Sequence[Sample], fed: list[tuple[Sequence[Sample], range]]
) -> Callable[..., Iterator[tuple[Any, ...]]]:
    """Return what begins the same pass over ``samples``, in order; ``fed`` holds the batch of them that is worked on."""

    def watched(*args: Any) -> Iterator[tuple[Any, ...]]:
        start = 0
        for batch in begin(*args):
            fed[:] = [(samples, range(start, start + len(batch[0])))]
            start += len(batch[0])
            yield batch
        fed.clear()

    return watched


def checked(
    inputs: Sequence[Input], samples: Sequence[Sample], size: int, role: str = "calibration"
) -> Iterator[tuple[Any, ...]]:
    """Yield batches of ``size`` calibration (or training) samples and look at each on its way: none is decoded twice.

    Raises Failure ``calibration-…``: for one bad sample when it comes, for the data as a whole at the end.
    """
    if not samples:
        raise _unfit("calibration-empty", f"there is no {role} sample", f"name data under data.{role}")
    looks = [_Look(item, role) for item in inputs]
    for start in range(0, len(samples), size):
        chunk = [samples[index] for index in range(start, min(start + size, len(samples)))]
        for sample in chunk:
            for look in looks:
                look.at(sample)
        yield from batches(chunk, inputs, size)
    for look in looks:
        look.judge()


LOUDEST = 8.0
"""Sound in floats may pass 1 where it was made louder; whole numbers that were never divided are far beyond this."""


class _Look:
    """What was seen of one input over the calibration data."""

    def __init__(self, given: Input, role: str) -> None:
        self.given, self.role = given, role
        self.lowest, self.highest = float("inf"), float("-inf")

    def at(self, sample: Sample) -> None:
        """Take in one sample. Raises Failure ``calibration-shape`` or ``calibration-range``."""
        array = sample.tensors.get(self.given.name)
        sizes = [(axis.minimum, axis.maximum) for axis in self.given.shape]
        if array is None or array.ndim != len(sizes) or not all(
            low <= size <= high for size, (low, high) in zip(array.shape, sizes, strict=True)
        ):  # fmt: skip
            expected = [low if low == high else f"{low}..{high}" for low, high in sizes]
            found = "nothing" if array is None else list(array.shape)
            message = f"{self.role} sample {sample.id!r} gives {self.given.name!r} the shape {found}, not {expected}"
            raise _unfit("calibration-shape", message, "give samples like what the device feeds")
        lowest, highest = float(array.min()), float(array.max())
        if not (-float("inf") < lowest <= highest < float("inf")):
            message = f"{self.role} sample {sample.id!r} holds NaN or infinity in {self.given.name!r}"
            raise _unfit("calibration-range", message, "remove the sample")
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)

    def judge(self) -> None:
        """Raise Failure ``calibration-constant`` or ``calibration-range`` by what all samples hold together."""
        name, span = self.given.name, f"{self.lowest:g}..{self.highest:g}"
        if self.lowest == self.highest and self.given.dtype.startswith("float"):
            message = f"the {self.role} data for {name!r} is constant ({self.lowest:g}): there is no range to observe"
            raise _unfit("calibration-constant", message, "give samples like those the device will see")
        if self.given.image and (self.lowest < 0 or self.highest > 255 or self.highest <= 1.0):
            message = f"the {self.role} data for image {name!r} spans {span}; pictures are 0..255, not yet normalised"
            raise _unfit(
                "calibration-range", message, "give the pixels as they are; the artifact normalises them itself"
            )
        if self.given.audio and max(-self.lowest, self.highest) > LOUDEST:
            message = f"the {self.role} data for sound {name!r} spans {span}; samples are -1..1"
            raise _unfit("calibration-range", message, "divide 16-bit samples by 32768")


def _not_exported(error: Exception, root: Path, plan: Plan) -> Failure:
    if wanted := _constraints(str(error), plan.inputs):
        hint = "give {min, max} as the model takes them, equal ones to axes that must be equal; of axes that follow from each "
        hint += "other in another way only one can be dynamic"
        message = f"torch.export does not take these dynamic dimensions: the model needs {wanted}"
        place = Location(file=plan.manifest, route=("inputs",))
        return Failure(Diagnostic(code="export-failed", message=message, where=place, hint=hint))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename, root)]
    where = None
    if frames:
        where = Location(file=Path(frames[-1].filename).resolve().relative_to(root).as_posix(), line=frames[-1].lineno)
    message = f"torch.export does not take this model: {type(error).__name__}: {first_line(error)}"
    hint = "rewrite data-dependent Python control flow (torch.cond, torch.where); https://pytorch.org/docs/stable/export.html"
    return Failure(Diagnostic(code="export-failed", message=message, where=where, hint=hint))


def _constraints(words: str, inputs: Sequence[Input]) -> str:
    """What torch.export wants of dynamic axes, in the manifest's names; empty where that is not what it says."""
    _, _, fixes = words.partition("Suggested fixes:\n")
    lines = [re.sub(r"Dim\('\w+', (.*)\)", r"{\1}", line.strip()) for line in fixes.partition("\n\n")[0].splitlines()]

    def named(found: re.Match[str]) -> str:
        return f"{inputs[int(found[1])].name}.shape[{found[2]}]"

    return ", ".join(re.sub(r"input(\d+)_axis(\d+)", named, line) for line in lines if "Constraints violated" in words)


def _is_users(filename: str, root: Path) -> bool:
    path = Path(filename)
    return path.is_absolute() and path.resolve().is_relative_to(root) and "site-packages" not in path.parts


def _unfit(code: str, message: str, hint: str) -> Failure:
    return Failure(Diagnostic(code=code, message=message, hint=hint))
