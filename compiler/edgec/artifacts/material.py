"""What a recipe may work with beside the exported graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Input
from edgec.artifacts.samples import Sample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Material:
    """``model`` is the eager float model as deployed; ``example`` and ``dynamic`` are what ``torch.export`` takes.

    ``calibration`` begins a pass over the calibration data: tuples of tensors, one an input, several samples joined where
    the graph takes them. ``training`` are samples to learn from, empty where the manifest names none.
    """

    model: torch.nn.Module
    example: tuple[Any, ...]
    dynamic: Any
    inputs: Sequence[Input]
    calibration: Callable[[], Iterable[tuple[Any, ...]]]
    training: Sequence[Sample]
