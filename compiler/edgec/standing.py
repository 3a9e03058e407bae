"""What answers for an artifact that no runtime on a build machine can run: a reference of the device, else the graph itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from edgec.artifacts.plan import Plan
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import plugin
from edgec.runtime.inference import unguarded
from edgec.runtime.program import ProgramFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP = "reference"
"""The point of comparison that stands where ``pte`` does for artifacts that run here."""

Run = Callable[[Sequence["NDArray[Any]"]], "tuple[NDArray[Any], ...]"]


def not_run(plan: Plan) -> str:
    """Return why the plan's artifact does not run on a build machine, "" where it does."""
    reasons = [plugin("delegates", choice.name).NOT_RUN for choice in plan.delegates]
    return next((reason for reason in reasons if reason), "")


def reference(plan: Plan, program: Any) -> tuple[str, Run]:
    """Return what stands in for the artifact of ``program`` (an ExportedProgram), in words, and how to ask it."""
    precision = plugin("recipes", plan.recipe.name).PRECISION
    choice = next(item for item in plan.delegates if plugin("delegates", item.name).NOT_RUN)
    found = plugin("delegates", choice.name).stand_in(program, precision, choice.options)
    words = "the graph that was lowered" if found is None else f"the reference implementation of {choice.name}"
    return words, _asked(unguarded(program) if found is None else found)


def _asked(module: Any) -> Run:
    import torch

    def run(arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        with torch.no_grad():
            found = module(*(torch.from_numpy(array) for array in arrays))
        outputs = found if isinstance(found, (tuple, list)) else (found,)
        return tuple(output.detach().numpy().copy() for output in outputs)

    return run


def refuse_untaken(plan: Plan, facts: ProgramFacts) -> None:
    """Raise Failure ``nothing-delegated`` where no delegate took anything: ExecuTorch says nothing of that.

    Only of artifacts that do not run here; one that does is clocked, and its delegation is a figure.
    """
    wanted = [name for choice in plan.delegates for name in plugin("delegates", choice.name).BACKENDS]
    if not_run(plan) and wanted and not set(wanted) & set(facts.backends):
        names = ", ".join(choice.name for choice in plan.delegates)
        message = f"{names} takes no operator of this model, so the artifact would run on plain kernels"
        hint = "take another recipe (`edgec explain DELEGATE` lists those it runs) or delegate"
        raise Failure(Diagnostic(code="nothing-delegated", message=message, hint=hint))
