"""How far the steps of one lowering may be from each other, and an artifact's answers from its golden vectors."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.artifacts.limit import Limit
from edgec.artifacts.plan import Plan
from edgec.registry import plugin
from edgec.stages.rewrite import rewriting_limit
from edgec.standing import STEP

TRIAL = Limit(sqnr=0.0, relative_error=2.0, agreement=0.0)
"""Still nearer to the model than to silence: with random weights, int8 MobileNetV3 came to 8 dB, EfficientNet to 3."""

UNTRAINED_EXPORT = Limit(sqnr=60.0, relative_error=1e-2, agreement=0.9)
"""What a float32 export is held to with random weights, which amplify every other order of sums. Parity samples are answered
one at a time, and MobileNetV2's and EfficientNet-B2's exports are bit-identical then: the recipe's own limit may do."""


def limits(plan: Plan) -> Mapping[str, Limit]:
    """Return the recipe's limits by step; TRIAL for random weights, which amplify every rounding and are not for release."""
    found: dict[str, Limit] = dict(plugin("recipes", plan.recipe.name).LIMITS)
    for own, _ in _arithmetic(plan):
        found |= {name: _looser(found[name], own) for name in ("pte", "total")}
    if not plan.release:
        exact = found["exported"].sqnr > UNTRAINED_EXPORT.sqnr  # one that converts (fp16) rounds like what comes after
        found = {
            name: _looser(limit, UNTRAINED_EXPORT if exact and name == "exported" else TRIAL) for name, limit in found.items()
        }
    return {**found, STEP: found["pte"], "rewritten": rewriting_limit(plan)}


def _arithmetic(plan: Plan) -> list[tuple[Limit, tuple[float, float]]]:
    """What the delegates' own arithmetic asks beyond the recipe: limits, and tolerances for golden vectors."""
    precision = plugin("recipes", plan.recipe.name).PRECISION
    found = [plugin("delegates", choice.name).ARITHMETIC.get(precision) for choice in plan.delegates]
    return [item for item in found if item]


def tolerance(plan: Plan) -> tuple[float, float]:
    """Return the widest (absolute, relative) of the recipe's tolerance and the delegates'."""
    given = [plugin("recipes", plan.recipe.name).TOLERANCE, *(own for _, own in _arithmetic(plan))]
    return max(item[0] for item in given), max(item[1] for item in given)


def _looser(one: Limit, other: Limit) -> Limit:
    return Limit(
        sqnr=min(one.sqnr, other.sqnr),
        relative_error=max(one.relative_error, other.relative_error),
        agreement=min(one.agreement, other.agreement),
    )
