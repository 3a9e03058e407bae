"""What a recipe may work with beside the exported graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Input, Options
from edgec.artifacts.measured import Status
from edgec.artifacts.samples import Sample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Material:
    """``model`` is the eager float model as deployed; ``example`` and ``dynamic`` are what ``torch.export`` takes.

    ``calibration`` begins a pass over the calibration data: tuples of tensors, one an input, several samples joined where
    the graph takes them. ``training`` are samples to learn from, empty where the manifest names none; ``training_pass``
    goes through them in order, as many at a time as it is told.

    ``standing`` holds the answers of a graph (an ExportedProgram) to the evaluation data against the accuracy budgets and
    returns the worst verdict; None where the plan's recipe does not look at budgets (``Plan.budgets_decide``).
    ``decides``: the task takes the arg-max of the first output, so that its scores are those of classes.
    ``delegate_options`` are those of the delegate that quantizes, for its ``quantizer``.
    ``say`` tells the user how far a long step is; ``record`` adds a name and what was found to ``Lowered.resolved``.
    """

    model: torch.nn.Module
    example: tuple[Any, ...]
    dynamic: Any
    inputs: Sequence[Input]
    calibration: Callable[[], Iterable[tuple[Any, ...]]]
    training: Sequence[Sample]
    training_pass: Callable[[int], Iterable[tuple[Any, ...]]]
    decides: bool
    say: Callable[[str], None]
    record: Callable[[str, str], None]
    standing: Callable[[Any], Status] | None = None
    delegate_options: Options = field(default_factory=dict)

    @property
    def graph_dynamic(self) -> Any:
        """``dynamic`` for a graph made from the exported one: it takes its inputs one by one, the model takes ``*values``."""
        return self.dynamic[0] if self.dynamic else None
