"""Answers to disk in bytes that are the same every time: the evaluation's .npz, and golden vectors as raw tensors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.lowered import Golden, Tensor
from edgec.artifacts.manifest import Input
from edgec.artifacts.samples import Sample
from edgec.runtime.inference import Answers, arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = 8
PICTURES = 2_000_000
EPOCH = (1980, 1, 1, 0, 0, 0)


def write_npz(path: Path, content: Mapping[str, NDArray[Any]]) -> None:
    """Write ``content`` as ``numpy.savez`` does, without the time of day that it puts into the archive."""
    import numpy.lib.format

    write_array: Any = numpy.lib.format.write_array  # typed from numpy 2.2 on
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in content.items():
            buffer = io.BytesIO()
            write_array(buffer, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=EPOCH), buffer.getvalue())


def stacked(found: Answers) -> list[NDArray[Any]] | None:
    """Return one array [N, ...] an output, a leading axis of 1 dropped; None where shapes differ between samples."""
    import numpy as np

    columns = list(zip(*found, strict=True))
    if any(len({item.shape for item in column}) != 1 for column in columns):
        return None
    return [np.stack([item[0] if item.ndim and item.shape[0] == 1 else item for item in column]) for column in columns]


def evaluation(
    ids: Sequence[str], labels: Sequence[Any], answers: Answers, reference: Answers
) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of evaluation.npz (see Lowered), or None where the outputs' shapes differ between samples."""
    import numpy as np

    outputs, expected = stacked(answers), stacked(reference)
    if outputs is None or expected is None:
        return None
    content = {"ids": np.array(ids, dtype=str)}
    if labels and all(label is not None for label in labels):
        content["labels"] = np.stack([np.asarray(label) for label in labels])
    content.update({f"output.{index}": array for index, array in enumerate(outputs)})
    content.update({f"reference.{index}": array for index, array in enumerate(expected)})
    return content


def spread(found: Answers, count: int) -> list[int]:
    """Return up to ``count`` indices, ascending, whose answers lie far apart: each the farthest from those before."""
    import numpy as np

    flat = [np.concatenate([output.ravel() for output in row]).astype("float64") for row in found]
    alike = [index for index, row in enumerate(flat) if row.shape == flat[0].shape]
    rows = [flat[index] for index in alike]
    chosen = [0]
    nearest = np.array([float(np.square(row - rows[0]).sum()) for row in rows])
    while len(chosen) < min(count, len(rows)) and nearest.max() > 0:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, [float(np.square(row - rows[chosen[-1]]).sum()) for row in rows])
    return sorted(alike[index] for index in chosen)


def ends(samples: Sequence[Sample], inputs: Sequence[Input]) -> list[int]:
    """Return the first sample of minimum and of maximum size, where an axis is dynamic."""
    found = []
    for bound in ("minimum", "maximum"):
        sizes = {item.name: tuple(getattr(axis, bound) for axis in item.shape) for item in inputs}
        fitting = (i for i, one in enumerate(samples) if all(one.tensors[name].shape == size for name, size in sizes.items()))
        found += [index for index in [next(fitting, None)] if index is not None]
    dynamic = any(not axis.fixed for item in inputs for axis in item.shape)
    return found if dynamic else []


def write_golden(
    folder: Path, samples: Sequence[Sample], answers: Answers, inputs: Sequence[Input], outputs: Sequence[Tensor]
) -> tuple[Golden, ...]:
    """Write every sample's inputs and answers under ``folder``/golden as raw little-endian tensors, and their pictures."""
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    records = []
    pictures = _copied(folder, samples)
    for index, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
        given = arrays(sample, inputs)
        typed = [array.astype(item.dtype) for array, item in zip(answer, outputs, strict=True)]
        records.append(
            Golden(
                sample=sample.id,
                inputs=_write(folder, f"{index}.in", [item.name for item in inputs], given),
                outputs=_write(folder, f"{index}.out", [item.name for item in outputs], typed),
                input_shapes=tuple(array.shape for array in given),
                output_shapes=tuple(array.shape for array in answer),
                picture=pictures[index],
            )
        )
    return tuple(records)


def _copied(folder: Path, samples: Sequence[Sample]) -> list[str | None]:
    """Copy the samples' pictures under ``folder``/golden, as many as PICTURES bytes hold; return their names there.

    One always is: a camera's own may be large, and decoding it is part of what a device does.
    """
    names: list[str | None] = []
    room = PICTURES
    for index, sample in enumerate(samples):
        size = sample.picture.stat().st_size if sample.picture else 0
        if sample.picture is None or (size > room and any(names)):
            names.append(None)
            continue
        name = f"golden/{index}.picture{sample.picture.suffix.lower()}"
        (folder / name).write_bytes(sample.picture.read_bytes())
        names.append(name)
        room -= size
    return names


def _write(folder: Path, prefix: str, names: Sequence[str], content: Sequence[NDArray[Any]]) -> tuple[str, ...]:
    paths = [f"golden/{prefix}.{name}.bin" for name in names]
    for path, array in zip(paths, content, strict=True):
        (folder / path).write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return tuple(paths)
