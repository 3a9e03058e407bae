"""A delegate's outputs on fake tensors told from the last time; upstream runs its whole partition again, node by node.

Every pass over a lowered graph (ExecuTorch 1.5.1, ``ExportPass.call_delegate``) calls each delegate on fake tensors to learn
its outputs' shapes, which unlifts and runs the original partition: two fifths of the lowering of a deep network. The same
shapes in give the same shapes out. The ``.pte`` bytes are the same, which tests/torch/test_upstream_speed.py holds. Goes
away when ``call_delegate`` takes outputs from the partition's own metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

Layout = tuple[Any, ...]
"""What of a tensor decides the layouts that come of it: dtype, shape, strides, device."""


@contextmanager
def delegates_answered_once() -> Iterator[None]:
    """Inside it, a delegate that is called on tensors of the same layouts as before is not run again.

    Only where every shape is a number and no output shares memory with an input or another output.
    """
    import torch
    from executorch.exir.delegate import executorch_call_delegate
    from torch._higher_order_ops.utils import registered_hop_fake_fns
    from torch.utils import _pytree as pytree

    genuine = registered_hop_fake_fns[executorch_call_delegate]
    known: WeakKeyDictionary[Any, dict[tuple[Layout, ...], Any]] = WeakKeyDictionary()

    def answer(lowered: Any, *given: Any) -> Any:
        key = _layouts(given)
        if key is None:
            return genuine(lowered, *given)
        answers = known.setdefault(lowered, {})
        if key not in answers:
            found = genuine(lowered, *given)
            made, structure = pytree.tree_flatten(found)
            layouts = _layouts(made)
            if layouts is not None and _apart([*given, *made], len(made)):
                answers[key] = layouts, structure
            return found
        layouts, structure = answers[key]
        made = [
            torch.empty_strided(shape, strides, dtype=dtype, device=device) for dtype, shape, strides, device in layouts
        ]
        return pytree.tree_unflatten(made, structure)

    registered_hop_fake_fns[executorch_call_delegate] = answer
    try:
        yield
    finally:
        registered_hop_fake_fns[executorch_call_delegate] = genuine


def _layouts(values: Sequence[Any]) -> tuple[Layout, ...] | None:
    """Return the layout of each; None where one is no plain tensor of known shape."""
    import torch

    found: list[Layout] = []
    for value in values:
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.requires_grad:
            return None
        sizes = (*value.shape, *value.stride(), value.storage_offset())
        if not all(type(size) is int for size in sizes) or value.storage_offset():
            return None
        found.append((value.dtype, tuple(value.shape), tuple(value.stride()), value.device))
    return tuple(found)


def _apart(tensors: Sequence[Any], last: int) -> bool:
    """Whether none of the ``last`` tensors shares its memory with any other of them all."""
    storages = [tensor.untyped_storage()._cdata for tensor in tensors]
    return all(storages.count(storage) == 1 for storage in storages[len(storages) - last :])
