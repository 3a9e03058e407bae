"""From a plan that leaves the recipe to edgec to one that names it, by what the loaded model computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from edgec.artifacts.manifest import Choice
from edgec.artifacts.plan import Plan
from edgec.registry import names, plugin

KINDS = {
    "convolution": "convolution",
    "_convolution": "convolution",
    "cudnn_convolution": "convolution",
    "mm": "linear",
    "addmm": "linear",
}
"""ATen operators by what a recipe does to them; products of two activations (``bmm``, attention) stay ``other``."""


class Loaded(Protocol):
    """What of ``stages.load.Loaded`` is looked at."""

    @property
    def model(self) -> Any: ...

    @property
    def example(self) -> tuple[Any, ...]: ...

    @property
    def parameters(self) -> int: ...


def resolve(plan: Plan, loaded: Loaded) -> tuple[Plan, Mapping[str, str]]:
    """Return the plan with a recipe that can be lowered, and what was decided, for ``Lowered.resolved``.

    Both are unchanged and empty where the manifest names a recipe.
    """
    if plan.recipe.name != "auto":
        return plan, {}
    runnable = frozenset(names("recipes")).intersection(
        *(plugin("delegates", choice.name).RECIPES for choice in plan.delegates)
    )
    work = multiply_accumulates(loaded.model, loaded.example)
    calibration = plan.dataset("calibration") is not None
    name, reason = plugin("recipes", "auto").choose(work, loaded.parameters, calibration, runnable, plan.target)
    return replace(plan, recipe=Choice(name=name)), {"recipe": f"{name}: {reason}"}


def multiply_accumulates(model: Any, example: tuple[Any, ...]) -> Mapping[str, int]:
    """Return the multiply-accumulates of one inference by kind: ``convolution``, ``linear``, ``other``.

    They are half of what ``torch.utils.flop_counter`` counts.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*example)
    work: Counter[str] = Counter(convolution=0, linear=0, other=0)
    # A model in which nothing multiplies matrices has no counts at all.
    for operator, operations in counter.get_flop_counts().get("Global", {}).items():
        work[KINDS.get(str(operator).partition(".")[2], "other")] += operations // 2
    return dict(work)
