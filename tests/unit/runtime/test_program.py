"""Damaged programs whose parts are missing, from a stand-in for ExecuTorch's deserializer."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from edgec.diagnostics import Failure
from edgec.runtime.program import read_program

DESERIALIZER = "executorch.exir._serialize._program"
START = b"\0\0\0\0ET12"


def plan(**changes: Any) -> SimpleNamespace:
    values = [SimpleNamespace(val=SimpleNamespace())]
    whole: dict[str, Any] = {"name": "forward", "inputs": [0], "outputs": [0], "values": values}
    whole |= {"operators": [], "delegates": [], "chains": [], "non_const_buffer_sizes": [0]}
    return SimpleNamespace(**{**whole, **changes})


def program(**changes: Any) -> SimpleNamespace:
    whole = {"execution_plan": [plan()], "backend_delegate_data": [], "constant_buffer": []}
    return SimpleNamespace(program=SimpleNamespace(**{**whole, **changes}), named_data=None)


@pytest.fixture
def deserialized(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What ``deserialize_pte_binary`` returns is this module's ``found``."""
    parts = DESERIALIZER.split(".")
    for count in range(1, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:count]), ModuleType(parts[count - 1]))
    module: Any = ModuleType(DESERIALIZER)
    module.deserialize_pte_binary = lambda data: module.found
    monkeypatch.setitem(sys.modules, DESERIALIZER, module)
    return module  # type: ignore[no-any-return]


def test_a_whole_program_is_read(deserialized: Any) -> None:
    deserialized.found = program()
    assert read_program(START).method == "forward"


@pytest.mark.parametrize(
    "found",
    [
        program(execution_plan=None),
        program(execution_plan=[]),
        program(execution_plan=[plan(values=None)]),
        program(execution_plan=[plan(inputs=[7])]),
        program(execution_plan=[plan(values=[SimpleNamespace()])]),
        program(execution_plan=[plan(operators=None)]),
        program(execution_plan=[plan(chains=[SimpleNamespace(instructions=None)])]),
        program(execution_plan=[plan(non_const_buffer_sizes=None)]),
        program(backend_delegate_data=None),
        program(constant_buffer=[None]),
    ],
)
def test_a_program_without_a_part_is_unreadable(deserialized: Any, found: SimpleNamespace) -> None:
    deserialized.found = found
    with pytest.raises(Failure) as caught:
        read_program(START)
    (told,) = caught.value.diagnostics
    assert (told.code, told.exit_code) == ("program-unreadable", 7)
