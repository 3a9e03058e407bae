"""Every goal of the Makefile can be planned: no missing rule, no syntax that this make does not know."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("goal", ["demo", "test", "lint", "bench", "sweep", "test-full", "help"])
def test_a_goal_can_be_made(goal: str) -> None:
    done = subprocess.run(["make", "-n", goal], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout and "Nothing to be done" not in done.stdout
