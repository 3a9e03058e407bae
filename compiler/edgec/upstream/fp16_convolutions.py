"""float16 convolution filters stored as float16: XNNPACK's serializer widens them, which makes files half as large again.

``Conv2d.define_node`` (ExecuTorch 1.5.1, backends/xnnpack/operators/op_conv2d.py) passes ``force_fp32=True`` for the
filter of every convolution; XNNPACK narrows it again when it packs it. Its runtime takes float16 filters as they are,
beside float32 biases, but not for transposed convolutions, which stay wide: they fail to load otherwise
(``xnn_status_invalid_parameter``). Goes away when that call no longer forces float32 on float16 filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TARGET = "aten.convolution.default"


@contextmanager
def narrow_filters() -> Iterator[None]:
    """Inside it, filters that are float16 in the graph are serialized so; all else as ever."""
    from executorch.backends.xnnpack.operators.node_visitor import _node_visitor_dict

    genuine: Any = _node_visitor_dict[TARGET]

    class Narrow(genuine):  # type: ignore[misc]
        def define_tensor(self, tensor: Any, *args: Any, **kwargs: Any) -> None:
            if kwargs.get("force_fp32") and _narrow(tensor):
                kwargs["force_fp32"] = False
            super().define_tensor(tensor, *args, **kwargs)

    _node_visitor_dict[TARGET] = Narrow
    try:
        yield
    finally:
        _node_visitor_dict[TARGET] = genuine


def _narrow(tensor: Any) -> bool:
    """Whether ``tensor`` is a float16 filter, of convolutions that are not transposed."""
    import torch

    if tensor.meta["val"].dtype != torch.float16 or tensor.meta["val"].dim() < 3:
        return False
    return not any("convolution" in str(user.target) and user.args[6] for user in tensor.users)
