"""Convolutions before a ReLU quantized dynamically too: XNNPACK's quantizer passes over them without a word.

``_do_annotate_conv`` (ExecuTorch 1.5.1) leaves a convolution whose only user is a ReLU to the pattern ``conv_relu``,
which is not among the dynamic ones: half of a ResNet stayed in float32. XNNPACK runs such a convolution like any other;
tests/torch/test_recipes.py holds that. Goes away when ``conv_relu`` is a dynamic pattern, or not waited for.
"""

from __future__ import annotations

import unittest.mock
from typing import Any


def relu_not_awaited(quantizer: Any) -> Any:
    """Return the XNNPACKQuantizer, changed so that it annotates a convolution whether or not a ReLU follows it."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer_utils as utilities

    genuine = quantizer.annotate

    def annotate(model: Any) -> Any:
        with unittest.mock.patch.object(utilities, "is_relu_node", lambda node: False):
            return genuine(model)

    quantizer.annotate = annotate
    return quantizer
