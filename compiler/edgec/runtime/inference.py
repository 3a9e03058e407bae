"""Samples through a torch module or a ``.pte``, in batches where the model treats each row on its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from edgec.artifacts.manifest import Input
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Diagnostic, Failure
from edgec.exhaustion import exhausted

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Answers: TypeAlias = "list[tuple[NDArray[Any], ...]]"
"""For every sample its outputs, each of the shape that one inference gives: float32 where that holds all of their values."""

WIDE = ("int32", "int64", "uint32", "uint64", "float64")
"""Types with values that float32 does not hold: whole numbers above 2**24, double precision."""

BATCH = 16
BATCH_BYTES = 16 << 20


def arrays(sample: Sample, inputs: Sequence[Input]) -> tuple[NDArray[Any], ...]:
    """Return a sample's arrays in the order of the inputs, contiguous and of their dtype."""
    import numpy as np

    return tuple(np.ascontiguousarray(sample.tensors[item.name], dtype=item.dtype) for item in inputs)


def different(samples: Sequence[Sample], inputs: Sequence[Input], enough: int) -> int:
    """Return how many of the samples hold other inputs than all before them; counts to ``enough``."""
    seen: set[bytes] = set()
    for index in range(len(samples)):
        if len(seen) == enough:
            break
        given = arrays(samples[index], inputs)
        seen.add(hashlib.sha256(b"".join(repr(array.shape).encode() + array.tobytes() for array in given)).digest())
    return len(seen)


def batches(samples: Sequence[Sample], inputs: Sequence[Input], size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the samples in order as tuples of tensors, ``size`` of them joined along axis 0 each time."""
    import numpy as np
    import torch

    for start in range(0, len(samples), size):
        rows = [arrays(samples[index], inputs) for index in range(start, min(start + size, len(samples)))]
        yield tuple(torch.from_numpy(np.concatenate(column)) for column in zip(*rows, strict=True))


def answers(module: Any, samples: Sequence[Sample], inputs: Sequence[Input], size: int = 1) -> Answers:
    """Return what ``module`` (a callable that gives a tuple of tensors) answers to every sample.

    Raises Failure ``model-not-loaded`` with what the module raises and the sample that it raised on.
    """
    import torch

    found: Answers = []
    with torch.no_grad():
        for batch in batches(samples, inputs, size):
            try:
                outputs = [values(output) for output in module(*batch)]
            # Whatever the user's model raises on the user's data.
            except Exception as error:
                if exhausted(error):
                    raise
                alone = [samples[len(found) + row] for row in range(len(batch[0]) if size > 1 else 1)]
                raise _failed(module, alone, inputs, error) from error
            rows = len(batch[0]) if size > 1 else 1
            found += [tuple(output[row : row + 1] if size > 1 else output for output in outputs) for row in range(rows)]
    return found


def _failed(module: Any, samples: Sequence[Sample], inputs: Sequence[Input], error: Exception) -> Failure:
    """Of several samples, the one that the module also fails on alone is named."""
    for sample in samples if len(samples) > 1 else ():
        try:
            answers(module, [sample], inputs)
        except Failure as failure:
            return failure
    words = str(error).strip().splitlines() or ["no reason given"]
    which = f"the sample {samples[0].id!r}" + (f" and the {len(samples) - 1} after it at once" if samples[1:] else "")
    message = f"the model fails on {which}: {type(error).__name__}: {words[0]}"
    hint = "make the data what the model's forward takes, or correct the model"
    return Failure(Diagnostic(code="model-not-loaded", message=message, hint=hint))


def runtime_answers(
    run: Callable[[Sequence[NDArray[Any]]], tuple[NDArray[Any], ...]],
    samples: Sequence[Sample],
    inputs: Sequence[Input],
) -> Answers:
    """Return what the artifact answers, one sample at a time; ``run`` is a Session's."""
    return [tuple(map(_held, run(arrays(samples[index], inputs)))) for index in range(len(samples))]


def values(output: torch.Tensor) -> NDArray[Any]:
    """Return a tensor's values: as float32 where that holds all of them, else as they are."""
    wide = str(output.dtype).removeprefix("torch.") in WIDE
    return _held(output.numpy()) if wide else output.float().numpy()


def _held(output: NDArray[Any]) -> NDArray[Any]:
    """The same values as float32, the array itself where that loses one."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        narrow = output.astype("float32")
        held = output.dtype.name not in WIDE or np.array_equal(narrow.astype(output.dtype), output)
    return narrow if held else output


def unguarded(program: Any) -> Any:
    """Return the graph of an ExportedProgram without the hook that refuses every size but those it was exported for.

    ``ExportedProgram.module`` adds it, guards or none, though most graphs exported for one row take several.
    """
    import torch

    module = program.module(check_guards=False)
    return torch.fx.GraphModule(module, module.graph)


def batch_size(module: Any, samples: Sequence[Sample], inputs: Sequence[Input]) -> int:
    """Return how many samples ``module`` may take at once: above 1 only if it was seen to answer rows independently.

    A graph exported for one row may still take several; one that has the 1 built in fails or answers otherwise.
    """
    if len(samples) < 3 or not all(item.shape and all(axis.fixed for axis in item.shape) for item in inputs):
        return 1
    if any(item.shape[0].maximum != 1 for item in inputs):
        return 1
    probe = [samples[0], samples[len(samples) // 2], samples[-1]]
    try:
        together, alone = answers(module, probe, inputs, 3), answers(module, probe, inputs)
    # Whatever a graph raises on a batch it was not made for, the answer is the same: one at a time.
    except Exception:
        return 1
    row_bytes = sum(array.nbytes for array in arrays(probe[0], inputs))
    return max(1, min(BATCH, BATCH_BYTES // row_bytes)) if _same(together, alone) else 1


def _same(together: Answers, alone: Answers) -> bool:
    import numpy as np

    pairs = [pair for row, single in zip(together, alone, strict=True) for pair in zip(row, single, strict=True)]
    return all(
        row.shape == single.shape and np.allclose(row, single, rtol=1e-3, atol=1e-4 * float(abs(single).max()))
        for row, single in pairs
    )
