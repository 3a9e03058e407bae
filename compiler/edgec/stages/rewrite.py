"""From an exported graph to one that computes the same and lowers better: each rewrite is held against the graph before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgec.artifacts.limit import Limit
from edgec.artifacts.lowered import Boundary, Rewritten
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Failure, first_line
from edgec.exhaustion import exhausted
from edgec.registry import REWRITES, plugin, rewrite_module
from edgec.runtime.inference import Answers

# Another order of the same float32 sums; MobileNetV3, EfficientNet and ViT moved by at most 2e-6 of their outputs.
FLOAT = Limit(sqnr=70.0, relative_error=1e-3, agreement=0.99)
# Half precision rounds after each of the operators that one is replaced by.
HALF = Limit(sqnr=30.0, relative_error=0.05, agreement=0.95)
LIMITS: Mapping[str, Limit] = {"fp16": HALF, "bf16": HALF}

Ask = Callable[[Any], Answers]
Hold = Callable[[Answers, Answers], Boundary]


@dataclass(frozen=True, kw_only=True)
class Rewriting:
    """``program`` is what was given where nothing fitted; ``answers`` are those of the last rewrite that stayed."""

    program: Any
    answers: Answers
    record: tuple[Rewritten, ...]

    @property
    def changed(self) -> bool:
        """Return whether any rewrite stayed."""
        return any(not item.dropped for item in self.record)


def rewriting_limit(plan: Plan) -> Limit:
    """Return how far a rewritten graph may be from the exported one."""
    return LIMITS.get(plugin("recipes", plan.recipe.name).PRECISION, FLOAT)


def suitable(plan: Plan) -> tuple[str, ...]:
    """Return the names of the rewrites for this recipe and these delegates, in the order they are tried."""
    recipe, delegates = plugin("recipes", plan.recipe.name), [choice.name for choice in plan.delegates]
    static = bool({"calibration", "training"} & set(recipe.NEEDS_DATA))
    return tuple(
        name
        for name, module in ((name, rewrite_module(name)) for name in REWRITES)
        if module.suits(recipe.PRECISION, static)
        and (not module.RECIPES or plan.recipe.name in module.RECIPES)
        and (not module.DELEGATES or set(delegates[:1] if module.RECIPES else delegates) & set(module.DELEGATES))
    )


def rewrite(plan: Plan, program: Any, before: Answers, ask: Ask, hold: Hold) -> Rewriting:
    """Apply what suits the plan to copies of ``program`` (an ExportedProgram), one after the other.

    ``before`` are the program's answers, ``ask`` gives those of another, and ``hold`` compares the two and raises
    Failure where they are too far apart: that rewrite is dropped, and the record says so. So is one that itself fails.
    """
    from edgec.rewrites.graph import duplicate, operator_calls, weight_bytes

    answers, record = before, list[Rewritten]()
    for name in suitable(plan):
        changed = duplicate(program)
        places, found, gap, dropped = [], answers, None, ""
        try:
            places = rewrite_module(name).rewrite(changed)
            if not places:
                continue
            found = ask(changed)
            gap = hold(before, found)
        except Failure as failure:
            dropped = failure.diagnostics[0].message
        # A graph that nobody thought of; the copy goes away, and the build goes on without.
        except Exception as error:
            if exhausted(error):
                raise
            changed = program if not places else changed
            dropped = f"it does not work on this graph: {type(error).__name__}: {first_line(error)}"
        entry = Rewritten(
            name=name,
            places=len(places),
            operators=(operator_calls(program), operator_calls(changed)),
            weight_bytes=(weight_bytes(program), weight_bytes(changed)),
            max_relative_error=gap.max_relative_error if gap else None,
            dropped=dropped,
        )
        record.append(entry)
        if not dropped:
            program, answers = changed, found
    return Rewriting(program=program, answers=answers, record=tuple(record))
