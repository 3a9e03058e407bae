"""recipes/mixed: the fewest submodules that do, and what names and types mean; without a model."""

from __future__ import annotations

import pytest

from edgec.diagnostics import Failure
from edgec.recipes.sensitivity import fewest
from edgec.recipes.submodules import chosen, inside, stack

KNOWN = {
    "features": "torch.nn.modules.container.Sequential",
    "features.0": "torch.nn.modules.conv.Conv2d",
    "features.10": "nets.Block",
    "features.10.conv": "torch.nn.modules.conv.Conv2d",
    "head": "torch.nn.modules.linear.Linear",
}


@pytest.mark.parametrize(
    ("needed", "most", "expected", "tries"),
    [
        (0, 9, 0, [0]),
        (1, 9, 1, [0, 1]),
        (3, 9, 3, [0, 1, 2, 4, 3]),
        (5, 9, 5, [0, 1, 2, 4, 8, 6, 5]),
        (9, 9, 9, [0, 1, 2, 4, 8, 9]),
        (10, 9, None, [0, 1, 2, 4, 8, 9]),
        (1, 0, None, [0]),
    ],
)
def test_counts_double_and_then_the_gap_is_halved(needed: int, most: int, expected: int | None, tries: list[int]) -> None:
    seen: list[int] = []

    def holds(count: int) -> bool:
        seen.append(count)
        return count >= needed

    assert fewest(holds, most) == expected
    assert seen == tries


@pytest.mark.parametrize(
    ("modules", "types", "expected"),
    [
        (["head"], [], ["head"]),
        (["features.*"], [], ["features.0", "features.10", "features.10.conv"]),
        (["features.?"], [], ["features.0"]),
        ([], ["Conv2d"], ["features.0", "features.10.conv"]),
        (["head"], ["nets.Block"], ["features.10", "head"]),
        ([], ["Block"], ["features.10"]),
    ],
)
def test_patterns_and_types_choose_in_the_models_order(modules: list[str], types: list[str], expected: list[str]) -> None:
    assert chosen(KNOWN, modules, types) == expected


def test_every_word_that_means_nothing_is_told() -> None:
    with pytest.raises(Failure) as caught:
        chosen(KNOWN, ["haed", "body.*"], ["nn.Block", "Conv2d"])
    assert [(item.code, item.hint) for item in caught.value.diagnostics] == [
        ("module-unknown", "did you mean 'head'?"),
        ("module-unknown", "names are features, features.0, features.10, features.10.conv, head"),
        ("module-unknown", "did you mean 'nets.Block'?"),
    ]


class Node:
    def __init__(self, *paths: str) -> None:
        self.meta = {"nn_module_stack": {f"L__self__{path}": (path, KNOWN.get(path, "")) for path in paths}}


def test_a_node_stems_from_the_users_modules_and_the_second_call_from_the_same() -> None:
    node = Node("", "model", "model.features", "model.features.10@1")
    assert [name for name, _ in stack(node)] == ["features", "features.10"]
    assert inside(["features.10"])(node) and inside(["features"])(node)
    assert not inside(["features.1", "head"])(node)
    assert not inside(["features"])(type("Bare", (), {"meta": {}})())
