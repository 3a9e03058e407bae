"""XNNPACK's pattern passes skipped where the graph lacks the operator that their patterns are about.

ConvertToSDPAPass and ConvertToUpsampleBilinear2d (ExecuTorch 1.5.1) look for subgraphs that they obtain by exporting
and lowering six small modules, once a process and whether or not the model could hold one: two seconds, a seventh of a
MobileNet's lowering. A graph without softmax holds no attention, one without bilinear upsampling nothing to convert.
The ``.pte`` bytes are the same, which tests/torch/test_upstream.py holds. Goes away when those patterns are built late.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def patterns_when_needed() -> Iterator[None]:
    """Inside it the two passes look for patterns only in graphs with their key operator."""
    from executorch.backends.xnnpack._passes.convert_to_sdpa import ConvertToSDPAPass
    from executorch.backends.xnnpack._passes.convert_to_upsample_bilinear2d import ConvertToUpsampleBilinear2d

    keys: dict[Any, str] = {ConvertToSDPAPass: "softmax", ConvertToUpsampleBilinear2d: "upsample_bilinear2d"}
    genuine = {kind: kind.call for kind in keys}
    for kind, key in keys.items():
        kind.call = _guarded(kind, key, genuine[kind])
    try:
        yield
    finally:
        for kind, call in genuine.items():
            kind.call = call


def _guarded(kind: Any, key: str, genuine: Any) -> Any:
    def call(self: Any, graph_module: Any) -> Any:
        if any(key in str(node.target) for node in graph_module.graph.nodes):
            return genuine(self, graph_module)
        return super(kind, self).call(graph_module)

    return call
