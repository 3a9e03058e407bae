"""stages/plan: accuracy budgets belong to a lowering's key exactly where the recipe looks at them."""

from __future__ import annotations

from dataclasses import replace

from bundle_parts import plan as made
from edgec.artifacts.manifest import Budget, Choice
from edgec.artifacts.plan import Plan
from edgec.stages.plan import lowering_key

MIN = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.9, text="90%", route=("budgets", "accuracy", "min"))
SIZE = Budget(kind="size", statistic="", sense="max", limit=1e6, text="1MB", route=("budgets", "size"))


def keys(plan: Plan, recipe: Choice) -> list[str]:
    lists = [(MIN,), (replace(MIN, limit=0.8),), (replace(MIN, route=("elsewhere",), text="0.9"), SIZE)]
    return [lowering_key(replace(plan, recipe=recipe, budgets=budgets)) for budgets in lists]


def test_a_changed_limit_lowers_anew_only_where_the_sensitivity_is_held_to_it() -> None:
    plan = made()
    strict, lax, moved = keys(plan, Choice(name="mixed", options={"sensitivity": True}))
    assert strict == moved != lax
    for recipe in (Choice(name="mixed", options={"keep": {"modules": ["a"]}}), Choice(name="int8")):
        assert len(set(keys(plan, recipe))) == 1
