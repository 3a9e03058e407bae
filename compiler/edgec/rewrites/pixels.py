"""A picture scaled and shifted before it becomes planes: what then lies between it and a convolution moves no value.

XNNPACK computes on pixels. With the normalisation after the permute there are two transposes, of float32 pixels into
planes and of planes into pixels again; with the permute last, it can be left out (``upstream/free_permutes.py``). The
constants, one number a channel, are written out for a whole row: broadcast over three channels alone, XNNPACK calls its
kernel for each pixel, a tenth of MobileNetV2's instructions on a Cortex-A76.
"""

from __future__ import annotations

from typing import Any

from edgec.rewrites.graph import Writer, calls, constant, swept, value
from edgec.rewrites.memory import roots, unchanging, unwritten
from edgec.upstream.free_permutes import PLANES, makes_planes

SUMMARY = "pictures scaled and shifted pixel by pixel, before they become planes"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ()

MOST = 1 << 14
"""So many values a row may have: constants are written out for one. 4096 pixels of three colours are within it."""


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Move permutes behind what each channel is scaled and shifted by, up to a convolution; return the new ones."""
    import torch

    found, constants = [], _constants(program)
    for permute in calls(program, torch.ops.aten.permute.default):
        pixels = permute.args[0]
        if not (_is_picture(permute) and all(unwritten(root) for root in roots(pixels))):
            continue
        passed = [permute]
        while (following := _only_reader(passed[-1])) and _is_copy(following):
            passed.append(following)
        copies, steps = passed[1:], []
        while (following := _only_reader(passed[-1])) and (given := _constant(following, passed[-1], _row(pixels), constants)):
            passed.append(following)
            steps.append((following, given))
        if not steps or not all(reader.target in _convolutions() for reader in passed[-1].users):
            continue
        writer = Writer(program, passed[-1])
        for step, (given, tensor) in steps:
            other = given if tensor is None else constant(program, _along(tensor, _row(pixels)), step)
            pixels = writer.call(step.target, pixels, other)
        planes = writer.call(permute.target, pixels, PLANES)
        found.append(planes)
        for copy in copies:
            planes = writer.call(copy.target, planes, *copy.args[1:], **copy.kwargs)
        writer.instead(planes)
    if found:
        swept(program)
    return found


def _constants(program: Any) -> dict[Any, Any]:
    """Buffers and constants that nothing writes into. Not parameters: a recipe may train them, here and elsewhere at once."""
    trained = program.graph_signature.inputs_to_parameters
    return {node: tensor for node, tensor in unchanging(program).items() if node.name not in trained}


def _is_picture(permute: Any) -> bool:
    pixels = permute.args[0]
    if value(pixels).dim() != len(PLANES) or not makes_planes(permute.args[1]):
        return False
    width, channels = _row(pixels)
    return isinstance(width, int) and isinstance(channels, int) and width * channels <= MOST


def _row(pixels: Any) -> tuple[Any, Any]:
    """How many pixels a row has, and how many channels a pixel."""
    _, _, width, channels = value(pixels).shape
    return width, channels


def _only_reader(node: Any) -> Any:
    """The one call that reads ``node``, or None."""
    readers = list(node.users)
    return readers[0] if len(readers) == 1 and readers[0].op == "call_function" else None


def _is_copy(node: Any) -> bool:
    import torch

    return node.target in (torch.ops.aten.contiguous.default, torch.ops.aten.clone.default)


def _convolutions() -> tuple[Any, ...]:
    import torch

    aten = torch.ops.aten
    return (aten.conv2d.default, aten.conv2d.padding, aten.convolution.default)


def _constant(node: Any, planes: Any, row: tuple[int, int], constants: Any) -> Any:
    """What ``node`` adds to ``planes``, or multiplies them with: a number with None, or a node with one value a channel.

    None where it does something else.
    """
    import torch

    aten = torch.ops.aten
    either = (aten.add.Tensor, aten.mul.Tensor)
    if node.target not in (*either, aten.sub.Tensor, aten.div.Tensor) or node.kwargs:
        return None
    if value(node).dtype != value(planes).dtype or value(node).dim() != len(PLANES):
        return None
    first, second = node.args
    other = second if first is planes else first if node.target in either else planes
    if isinstance(other, (int, float)):
        return other, None
    tensor = constants.get(other)
    if tensor is None or tensor.numel() != row[1] or tuple(tensor.shape[-3:]) != (row[1], 1, 1):
        return None
    return other, tensor


def _along(tensor: Any, row: tuple[int, int]) -> Any:
    """One value a channel as a row of pixels, [1, 1, width, channels]."""
    width, channels = row
    return tensor.detach().reshape(1, 1, 1, channels).repeat(1, 1, width, 1)
