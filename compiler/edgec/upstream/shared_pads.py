"""Padding in int8 keeps its input's scale: XNNPACK does not load an artifact in which it has another.

XNNPACKQuantizer (ExecuTorch 1.5.1) does not know ``pad``. After a quantized operator and before views that lead to another one
it gets the scales of both, which differ, and the partitioner takes it as quantized all the same; XNNPACK then refuses the node
("Failed to create StaticConstantPad node", xnn_status_invalid_parameter), and the method does not load: Swin v2 at small
pictures. Goes away when ``_is_share_obs_or_fq_op`` lists padding, or the partitioner compares the scales.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def pads_that_share() -> Iterator[None]:
    """Inside it, XNNPACK's quantizer gives padding the scale of its input, as it does for views."""
    import torch
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer_utils as utils

    module: Any = utils
    genuine = module._is_share_obs_or_fq_op
    pads = (torch.ops.aten.pad.default, torch.ops.aten.constant_pad_nd.default)
    module._is_share_obs_or_fq_op = lambda target: target in pads or genuine(target)
    try:
        yield
    finally:
        module._is_share_obs_or_fq_op = genuine
