"""Data on its way through a model: one sample, and a model's answers to a whole data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Image, Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


NO_CLASS = -1
"""The truth of a window of a recording in which nothing is to be recognised: it counts for far-per-hour only."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample: ``id`` is stable and free of absolute paths; ``tensors`` maps input name to an array of its shape.

    ``label`` is the task's truth for it (class index, value, array), or None. ``picture`` is the PNG or JPEG file that a
    single image input was decoded from, None where there is none.
    """

    id: str
    tensors: Mapping[str, NDArray[Any]]
    label: Any = None
    picture: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Answers to N samples: ``outputs`` the artifact's and ``reference`` eager fp32's, each array [N, ...] per output.

    ``task`` are the task's options and ``classes`` its labels, ``image`` how pictures become the first input, and ``hop`` the
    time in seconds from one window of a stream to the next, for metrics that must know what the outputs mean.
    """

    ids: tuple[str, ...]
    outputs: tuple[NDArray[np.float32], ...]
    reference: tuple[NDArray[np.float32], ...]
    labels: NDArray[Any] | None
    task: Options = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    image: Image | None = None
    hop: float | None = None

    def of_classes(self) -> Evaluation:
        """Return the evaluation without the windows of recordings, whose truth is NO_CLASS."""
        if self.labels is None or self.labels.ndim != 1 or self.labels.dtype.kind not in "iu":
            return self
        return self if (self.labels != NO_CLASS).all() else self.at((self.labels != NO_CLASS).nonzero()[0])

    def of_recordings(self) -> Evaluation:
        """Return the windows of recordings alone; all samples where the truths are none of classes."""
        if self.labels is None or self.labels.ndim != 1 or self.labels.dtype.kind not in "iu":
            return self
        return self.at((self.labels == NO_CLASS).nonzero()[0])

    def at(self, positions: NDArray[Any]) -> Evaluation:
        """Return the evaluation of the samples at these positions."""
        return replace(
            self,
            ids=tuple(self.ids[position] for position in positions),
            outputs=tuple(output[positions] for output in self.outputs),
            reference=tuple(output[positions] for output in self.reference),
            labels=None if self.labels is None else self.labels[positions],
        )
