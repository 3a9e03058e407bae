"""A loaded model and its graph to a Profile: multiply-accumulates, operators, and weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from edgec.artifacts.manifest import Input
from edgec.artifacts.profile import Profile


def profile(program: Any, macs: Mapping[str, int], parameters: int, inputs: tuple[Input, ...]) -> Profile:
    """Return what ``program`` (an ExportedProgram in float) computes; ``macs`` are ``stages.resolve``'s count of them."""
    targets = (node.target for node in program.graph.nodes if node.op == "call_function")
    operators = Counter(target.name().partition(".")[0] for target in targets if hasattr(target, "name"))
    dynamic = any(not axis.fixed for item in inputs for axis in item.shape)
    return Profile(macs=dict(macs), operators=dict(sorted(operators.items())), parameters=parameters, dynamic=dynamic)
