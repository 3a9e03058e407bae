"""Arrays that a data file holds, held against the manifest's inputs; what npz and csv share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Input
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Diagnostic, Failure, Key, Location, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Rows(Sequence[Sample]):
    """Samples cut out of arrays [N, ...] along axis 0; ``name`` and the row number make the ids."""

    name: str
    tensors: Mapping[str, NDArray[Any]]
    labels: NDArray[Any] | None
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def identities(self) -> list[tuple[str, Any]]:
        """Return each sample's id and truth."""
        return [(f"{self.name}#{row}", None if self.labels is None else plain(self.labels[row])) for row in self.rows]

    def __getitem__(self, index: Any) -> Any:
        """Return one Sample, or a tuple of them for a slice; batch dimension 1 is kept."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        row = self.rows[index]
        cut = {name: array[row : row + 1] for name, array in self.tensors.items()}
        label = None if self.labels is None else plain(self.labels[row])
        return Sample(id=f"{self.name}#{row}", tensors=cut, label=label)


def plain(truth: Any) -> Any:
    """A number or a name as Python has it; an array stays one."""
    return truth if truth.ndim else truth.item()


def refuse_unfit(dtype: Any, shape: Sequence[int], entry: Input, shown: str) -> None:
    """Raise Failure ``data-mismatch`` where an array's dtype or shape [N, ...] is none that the input takes."""
    import numpy as np

    if dtype != np.dtype(entry.dtype) and not np.can_cast(dtype, entry.dtype, "safe"):
        message = f"{shown}: {entry.name!r} is {dtype}, the input is {entry.dtype}"
        raise Failure(wrong("data-mismatch", message, hint=f"save it with .astype({entry.dtype!r})"))
    if not fits(shape, entry):
        axes = entry.shape[1:]
        wanted = ", ".join(["N", *(f"{a.minimum}" if a.fixed else f"{a.minimum}..{a.maximum}" for a in axes)])
        message = f"{shown}: {entry.name!r} has shape {list(shape)}, the input wants [{wanted}]"
        raise Failure(wrong("data-mismatch", message, hint="the first axis counts the samples"))


def fits(shape: Sequence[int], entry: Input) -> bool:
    """Whether an array of ``shape`` [N, ...] holds samples of the input's."""
    sizes = zip(entry.shape[1:], shape[1:], strict=False)
    return len(shape) == len(entry.shape) and all(axis.minimum <= size <= axis.maximum for axis, size in sizes)


def fitted(array: NDArray[Any], entry: Input, shown: str) -> NDArray[Any]:
    """Return ``array`` as [N, *shape without the batch axis] of the input's dtype, made contiguous.

    Pictures may be uint8. Raises Failure ``data-mismatch`` for another dtype or shape, ``data-not-finite`` for NaN.
    """
    import numpy as np

    refuse_unfit(array.dtype, array.shape, entry, shown)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise Failure(wrong("data-not-finite", f"{shown}: sample {row} of {entry.name!r} holds NaN or infinity"))
    return np.ascontiguousarray(array, entry.dtype)


def refuse_no_truths(dtype: Any, shape: Sequence[int], labels: Sequence[str], shown: str) -> None:
    """Raise Failure ``data-labels`` where an array's dtype or shape is none of truths."""
    one_each = len(shape) == 1 and dtype.kind in "iufUb"
    if not (one_each or (not labels and len(shape) > 1 and dtype.kind in "iuf")):
        raise Failure(wrong("data-labels", f"{shown}: label is {dtype}{list(shape)}, one value a sample is due"))


def class_indices(array: NDArray[Any], labels: Sequence[str], shown: str) -> NDArray[Any]:
    """Return truths [N] as the task wants them: class names become indices, indices are checked.

    Without ``labels`` they are names or numbers [N], or arrays of numbers [N, ...], as they stand.
    Raises Failure ``data-labels``, or ``data-not-finite`` for a truth of NaN or infinity.
    """
    import numpy as np

    refuse_no_truths(array.dtype, array.shape, labels, shown)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise Failure(wrong("data-not-finite", f"{shown}: the label of sample {row} is NaN or infinite"))
    if not labels:
        return array
    if array.dtype.kind == "U":
        positions = {label: index for index, label in enumerate(labels)}
        if unknown := sorted({str(name) for name in array} - set(positions)):
            raise Failure(wrong("data-labels", f"{shown}: the label {unknown[0]!r} is not among the task's labels"))
        return np.array([positions[str(name)] for name in array], np.int64)
    if array.dtype.kind not in "iu" or (len(array) and not 0 <= array.min() <= array.max() < len(labels)):
        message = f"{shown}: labels must be class names, or whole numbers from 0 to {len(labels) - 1}"
        raise Failure(wrong("data-labels", message))
    return array.astype(np.int64)


def strata(truth: NDArray[Any] | None, labels: Sequence[str], count: int) -> list[Any]:
    """Return what ``choose`` shares its places by: the class of each sample, one and the same where truths are numbers.

    Numbers are classes only where the task has ``labels``: whole numbers may be counts or years.
    """
    if truth is None or truth.ndim > 1 or (not labels and truth.dtype.kind != "U"):
        return [0] * count
    found: list[Any] = truth.tolist()
    return found


def wrong(
    code: str,
    message: str,
    *,
    hint: str | None = None,
    severity: Severity = "error",
    route: tuple[Key, ...] = ("path",),
) -> Diagnostic:
    """Return a finding about a data set, at ``path`` of its entry."""
    return Diagnostic(code=code, message=message, severity=severity, where=Location(file="", route=route), hint=hint)
