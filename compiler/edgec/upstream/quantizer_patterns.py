"""XNNPACK's quantizer without its batch-norm patterns where the graph has no batch norm, or no transposed convolution.

``_do_annotate_conv_bn`` (ExecuTorch 1.5.1, xnnpack_quantizer_utils.py) exports twelve small modules to find convolutions
followed by a batch norm in training mode, also when the graph that it annotates went through post-training
preparation, which has folded every batch norm before: two seconds for nothing. The ``.pte`` bytes are the same, which
tests/torch/test_upstream_speed.py holds. Goes away when that function looks at the graph before it builds its patterns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quantizer_patterns_when_needed() -> Iterator[None]:
    """Inside it, no pattern is built for what the graph's operators cannot match."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer_utils as utils

    module: Any = utils
    genuine = module._do_annotate_conv_bn

    def annotate(
        gm: Any, quantization_config: Any, filter_fn: Any, has_relu: bool, is_conv_transpose: bool = False
    ) -> list[list[Any]]:
        names = " ".join(str(node.target) for node in gm.graph.nodes)
        if "batch_norm" in names and ("conv_transpose" in names or not is_conv_transpose):
            found: list[list[Any]] = genuine(gm, quantization_config, filter_fn, has_relu, is_conv_transpose)
            return found
        # As the function does before it looks for its patterns.
        gm.graph.eliminate_dead_code()
        gm.recompile()
        return []

    module._do_annotate_conv_bn = annotate
    try:
        yield
    finally:
        module._do_annotate_conv_bn = genuine
