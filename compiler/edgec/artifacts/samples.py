"""Data on its way through a model: one sample, and a model's answers to a whole data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Image, Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

    ``task`` are the task's options and ``classes`` its labels, ``image`` how pictures become the first input, for metrics
    that must know what the outputs mean.
    """

    ids: tuple[str, ...]
    outputs: tuple[NDArray[np.float32], ...]
    reference: tuple[NDArray[np.float32], ...]
    labels: NDArray[Any] | None
    task: Options = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    image: Image | None = None
