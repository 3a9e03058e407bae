"""Views that XNNPACK does not know as those that it does: reshape and slice."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from edgec.rewrites.graph import MOST_AXES, Writer, calls, shaped, swept, value
from edgec.rewrites.memory import untouched

SUMMARY = "select, split, squeeze, unsqueeze and strided slices as reshape and slice"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace the views; return the calls that came in their stead, or the value itself where a view shows all of it."""
    import torch

    aten = torch.ops.aten
    views: dict[Any, Callable[[Writer], Any]] = {
        aten.unsqueeze.default: _unsqueezed,
        aten.squeeze.dim: _reshaped,
        aten.squeeze.dims: _reshaped,
        aten.squeeze.default: _reshaped,
        aten.select.int: _selected,
        aten.expand.default: _expanded,
        aten.pad.default: _padded,
        aten.constant_pad_nd.default: _padded,
        aten.slice.Tensor: _strided,
    }
    found = [made for node in calls(program, *views) if _suits(node) and (made := views[node.target](Writer(program, node)))]
    parts = (aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int)
    for node in calls(program, *parts):
        found += _divided(program, node)
    if found:
        swept(program)
    return found


def _suits(node: Any) -> bool:
    """Whether it shows floats in a shape that XNNPACK takes, and nobody writes: a reshape may copy."""
    import torch

    seen = value(node)
    if not isinstance(seen, torch.Tensor) or not seen.is_floating_point():
        return False
    return shaped(node) and shaped(node.args[0]) and untouched(node)


def _reshaped(writer: Writer) -> Any:
    import torch

    node = writer.place
    made = writer.call(torch.ops.aten.reshape.default, node.args[0], list(value(node).shape))
    writer.instead(made)
    return made


def _unsqueezed(writer: Writer) -> Any:
    """XNNPACK takes an axis added at the end as it is."""
    dim = writer.place.args[1]
    return None if dim in (-1, value(writer.place).dim() - 1) else _reshaped(writer)


def _selected(writer: Writer) -> Any:
    given, dim, index = writer.place.args
    if not isinstance(index, int):
        return None
    start = index % value(given).shape[dim]
    writer.place.args = (_part(writer, given, dim, start, 1), dim, index)
    return _reshaped(writer)


def _part(writer: Writer, given: Any, dim: int, start: int, length: int) -> Any:
    """Return ``length`` of ``given`` along ``dim``: itself where that is all."""
    import torch

    if length == value(given).shape[dim]:
        return given
    return writer.call(torch.ops.aten.slice.Tensor, given, dim, start, start + length)


def _expanded(writer: Writer) -> Any:
    given = writer.place.args[0]
    if value(given).shape != value(writer.place).shape:
        return None
    writer.instead(given)
    return given


def _padded(writer: Writer) -> Any:
    """Padding by nothing: XNNPACK does not load a quantized one (swin_t: ``StaticConstantPad`` invalid parameter)."""
    given, lengths = writer.place.args[:2]
    if any(lengths):
        return None
    writer.instead(given)
    return given


def _strided(writer: Writer) -> Any:
    """Every n-th of an axis that n divides is one column of the axis made a table; XNNPACK slices without strides."""
    import torch

    names = ("given", "dim", "start", "end", "step")
    arguments: dict[str, Any] = dict(zip(names, writer.place.args, strict=False))
    given, step, start = arguments["given"], arguments.get("step", 1), arguments.get("start") or 0
    shape = list(value(given).shape)
    dim = arguments.get("dim", 0) % len(shape)
    size, end = shape[dim], arguments.get("end")
    whole = size % step == 0 and 0 <= start < step and (end is None or end >= size)
    if step == 1 or not whole or len(shape) == MOST_AXES:
        return None
    table = writer.call(torch.ops.aten.reshape.default, given, [*shape[:dim], size // step, step, *shape[dim + 1 :]])
    column = writer.call(torch.ops.aten.slice.Tensor, table, dim + 1, start, start + 1)
    made = writer.call(torch.ops.aten.reshape.default, column, list(value(writer.place).shape))
    writer.instead(made)
    return made


def _divided(program: Any, node: Any) -> list[Any]:
    """Replace the parts, and with them the call that gave them all."""
    import torch

    aten, given = torch.ops.aten, node.args[0]
    parts = value(node)
    if not all(user.target is operator.getitem for user in node.users):
        return []
    if not (value(given).is_floating_point() and shaped(given) and all(isinstance(n, int) for p in parts for n in p.shape)):
        return []
    if not untouched(node):
        return []
    unbound = node.target is aten.unbind.int
    dim = (node.args[1] if len(node.args) > 1 else 0) if unbound else (node.args[2] if len(node.args) > 2 else 0)
    lengths = [1 if unbound else part.shape[dim] for part in parts]
    found = []
    for user in [user for user in node.users if user.users]:
        writer, index = Writer(program, user), user.args[1]
        start = sum(lengths[:index])
        made = _part(writer, given, dim, start, lengths[index])
        if unbound:
            made = writer.call(aten.reshape.default, made, list(value(user).shape))
        writer.instead(made)
        found.append(made)
    return found
