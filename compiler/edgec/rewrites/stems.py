"""A network's first convolution over blocks of pixels: kernels work on channels by fours or eights, and a picture has three.

XNNPACK's int8 kernels fill up the channels of each tap to 4 (Arm with dot product) or 8 (Cortex-A57, AVX2): 72 products for 27.
With blocks of pixels as channels (space to depth), and the kernel's weights moved to their blocks, few are filled up. Of a
kernel of three rows only columns are paired: that moves no value of [height, width, channels]. The quantizer quantizes
before all of it, and zeros around the picture are the convolution's own (``upstream/quantized_moves.py``).

Millions of instructions for pictures of 224 x 224, Cortex-A57 and Cortex-A76, with what brings planes to pixels:

- 3 x 3, stride 2, 32 channels: 14.4 to 10.3 and 4.5 to 4.1 (rows in pairs too: 10.1 and 4.0, but of pixels 10.5 and
  4.4 where columns alone take 9.9 and 3.7)
- 5 x 5, stride 2, 32 channels: 34.4 to 19.3 and 8.9 to 6.7
- 7 x 7, stride 2, 64 channels: 127.6 to 63.0 and 29.4 to 19.8 (columns alone: 74.6 and 24.1)
- patches of 4 x 4, 96 channels: 17.4 to 5.3 and 5.0 to 2.3; of 16 x 16, 192 channels: 31.5 to 7.7 and 7.6 to 2.9

A picture of four channels leaves nothing to fill up on a Cortex-A76. Not for ``int8-qat``, which would train the zeros around
the kernel as well, nor ``mixed``: a 3 x 3 convolution of planes that it leaves in float32 would cost 9.6 instead of 8.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgec.rewrites.graph import Writer, calls, constant, swept, value
from edgec.rewrites.memory import roots, unchanging, unwritten
from edgec.upstream.free_permutes import PLANES, makes_planes

SUMMARY = "first convolutions over blocks of pixels, whose channels fill the kernels"
DELEGATES: tuple[str, ...] = ("xnnpack",)
RECIPES: tuple[str, ...] = ("int8",)

MOST_CHANNELS = 3
"""So many channels a picture may have."""

MOST_ROWS = 3
"""A kernel of more rows has these in blocks too."""


def suits(precision: str, static: bool) -> bool:
    """Return whether activations' ranges are observed before: float pixels would cost more to move."""
    return precision == "int8" and static


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """How one axis of a picture comes in blocks, for the kernel along it."""

    size: int
    """Pixels along the axis."""
    block: int
    """Pixels of a block; 1 leaves the axis as it is."""
    taps: tuple[int, int]
    """Zeros before and behind the kernel's weights, which make whole blocks of them."""
    padding: tuple[int, int]
    """Blocks of zeros before and behind the picture."""
    stride: int
    """Blocks from one output to the next."""

    @property
    def blocks(self) -> int:
        """Return how many blocks the axis has."""
        return self.size // self.block


def rewrite(program: Any) -> list[Any]:
    """Replace convolutions of the program's pictures by those over blocks of pixels; return the new ones."""
    import torch

    found, weights = [], unchanging(program)
    for node in calls(program, torch.ops.aten.conv2d.default):
        axes = _axes(node, weights)
        if axes is None or not _comes_in(program, node.args[0], weights):
            continue
        if any(len(item.users) > 1 for item in node.args[1:3] if item is not None):
            continue  # the quantizer takes weights that two convolutions share for one of them alone
        writer = Writer(program, node)
        pixels = _pixels(node.args[0])
        blocks = _of_pixels(writer, pixels, axes) if pixels is not None else _of_planes(writer, node.args[0], axes)
        planes = _contiguous(writer, writer.call(torch.ops.aten.permute.default, blocks, PLANES))
        (rows, columns), weight = axes, weights[node.args[1]]
        if any((*rows.padding, *columns.padding)):
            planes = writer.call(torch.ops.aten.constant_pad_nd.default, planes, [*columns.padding, *rows.padding])
        learnt = node.args[1].name in program.graph_signature.inputs_to_parameters
        kernel = constant(program, _kernel(weight.detach(), axes, pixels is not None), node.args[1], learnt)
        bias = node.args[2] if len(node.args) > 2 else None
        found.append(writer.call(node.target, planes, kernel, bias, [rows.stride, columns.stride]))
        writer.instead(found[-1])
    if found:
        swept(program)
    return found


def _axes(node: Any, weights: Any) -> tuple[_Axis, _Axis] | None:
    """How rows and columns come in blocks; None where the convolution gains nothing or its sizes do not divide."""
    names = ("given", "weight", "bias", "stride", "padding", "dilation", "groups")
    arguments = dict(zip(names, node.args, strict=False))
    picture, weight = value(node.args[0]), weights.get(node.args[1])
    if weight is None or picture.dim() != len(PLANES) or not picture.is_floating_point() or node.kwargs:
        return None
    sizes, kernel = picture.shape[1:], weight.shape[2:]
    if not all(isinstance(size, int) for size in sizes) or sizes[0] > MOST_CHANNELS:
        return None
    stride, padding, dilation = (
        _pair(arguments.get(name, default)) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    if arguments.get("groups", 1) != 1 or dilation != (1, 1) or stride[0] != stride[1]:
        return None
    patches = tuple(kernel) == stride and padding == (0, 0)
    if stride[0] != 2 and not patches:
        return None
    if min(kernel) < stride[0] or stride[0] == 1:
        return None
    blocks = (stride[0] if kernel[0] > MOST_ROWS else 1, stride[1])
    axes = [_axis(*item) for item in zip(sizes[1:], kernel, stride, padding, blocks, strict=True)]
    return (axes[0], axes[1]) if axes[0] and axes[1] else None


def _pair(given: Any) -> tuple[int, int]:
    numbers = (given,) if isinstance(given, int) else tuple(given)
    return (numbers[0], numbers[-1])


def _axis(size: int, kernel: int, stride: int, padding: int, block: int) -> _Axis | None:
    """Blocks along one axis; None where the picture is not whole blocks, some of the last are not read, or zeros would be most.

    A kernel of 4 with a padding of 1 would have zeros on both sides, and 108 products for 64.
    """
    if size % block:
        return None
    before = -padding % block
    behind = -(kernel + before) % block
    if before and behind:
        return None
    outputs = (size + 2 * padding - kernel) // stride + 1
    first, step = (padding + before) // block, stride // block
    needed = (kernel + before + behind) // block + (outputs - 1) * step
    last = needed - first - size // block
    if outputs < 1 or last < 0:
        return None
    return _Axis(size=size, block=block, taps=(before, behind), padding=(first, last), stride=step)


def _comes_in(program: Any, node: Any, weights: Any) -> bool:
    """Whether ``node`` is an input of the program, or one that was scaled, shifted and permuted alone."""
    import torch

    aten = torch.ops.aten
    passed = (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.permute.default)
    copies = (aten.contiguous.default, aten.clone.default, aten.to.dtype, aten._to_copy.default)
    while node.op == "call_function":
        given = [item for item in node.all_input_nodes if item not in weights]
        if node.target not in (*passed, *copies) or len(given) != 1:
            return False
        (node,) = given
    return node.name in program.graph_signature.user_inputs


def _pixels(planes: Any) -> Any:
    """The pixels that ``planes`` were made of by a permute, with or without a copy; None where they were not."""
    import torch

    aten, passed = torch.ops.aten, [planes]
    while passed[-1].target in (aten.contiguous.default, aten.clone.default):
        passed.append(passed[-1].args[0])
    permute = passed[-1]
    if permute.target is not aten.permute.default or not makes_planes(permute.args[1]):
        return None
    pixels = permute.args[0]
    return pixels if all(unwritten(item) for item in (*passed, *roots(pixels))) else None


def _of_pixels(writer: Writer, pixels: Any, axes: tuple[_Axis, _Axis]) -> Any:
    """[batch, height, width, channels] as blocks; of columns alone, they lie as they did."""
    import torch

    aten, (rows, columns) = torch.ops.aten, axes
    run = columns.block * value(pixels).shape[3]
    if rows.block > 1:
        split = [-1, rows.blocks, rows.block, columns.blocks, run]
        moved = writer.call(aten.permute.default, writer.call(aten.reshape.default, pixels, split), [0, 1, 3, 2, 4])
        pixels = _contiguous(writer, moved)
    return writer.call(aten.reshape.default, pixels, [-1, rows.blocks, columns.blocks, rows.block * run])


def _of_planes(writer: Writer, planes: Any, axes: tuple[_Axis, _Axis]) -> Any:
    """[batch, channels, height, width] as blocks of channels, rows and columns: columns stay together, and move as one."""
    import torch

    aten, (rows, columns), channels = torch.ops.aten, axes, value(planes).shape[1]
    if rows.block > 1:
        split, order = [-1, channels, rows.blocks, rows.block, columns.blocks, columns.block], [0, 2, 4, 1, 3, 5]
    else:
        split, order = [-1, channels, rows.size, columns.blocks, columns.block], [0, 2, 3, 1, 4]
    moved = writer.call(aten.permute.default, writer.call(aten.reshape.default, planes, split), order)
    depth = channels * rows.block * columns.block
    return writer.call(aten.reshape.default, _contiguous(writer, moved), [-1, rows.blocks, columns.blocks, depth])


def _contiguous(writer: Writer, moved: Any) -> Any:
    """A copy: without it a reshape makes one of floats at lowering, and poolings further on a strided one outside XNNPACK."""
    import torch

    return writer.call(torch.ops.aten.clone.default, moved, memory_format=torch.contiguous_format)


def _kernel(weight: Any, axes: tuple[_Axis, _Axis], of_pixels: bool) -> Any:
    """The weights, [outputs, channels, rows, columns], in the order of blocks."""
    import torch

    rows, columns = axes
    outputs, channels = weight.shape[:2]
    whole = torch.nn.functional.pad(weight, (*columns.taps, *rows.taps))
    split = whole.reshape(outputs, channels, -1, rows.block, whole.shape[3] // columns.block, columns.block)
    moved = split.permute(0, *((3, 5, 1) if of_pixels else (1, 3, 5)), 2, 4)
    return moved.reshape(outputs, -1, moved.shape[4], moved.shape[5]).contiguous()
