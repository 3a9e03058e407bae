"""A float input that is only moved on its way to a convolution is quantized before it is moved, and padded by the convolution.

XNNPACKQuantizer (ExecuTorch 1.5.1) quantizes a convolution's input directly before it. ``propagate_annotation`` hands a scale
on from a quantized operator to views behind it, not from a convolution to those before it, so that permutes, reshapes and
padding of a program's input run in float32. Of padding directly before the convolution the input is quantized, and not what
comes out: so the partitioner and InsertPadQDQPass want it, and XNNPACK makes it part of the convolution. That takes pixels:
``ChannelsLastTaggedReshapePass`` pads in whatever order its input lies. Goes away when the quantizer shares scales in this
direction too, and the pass takes such padding for part of the convolution; tests/torch/test_stems.py shows both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgec.upstream.free_permutes import makes_planes


def moves_quantized(quantizer: Any) -> Any:
    """Return the XNNPACKQuantizer, changed so that a convolution's input is quantized before calls that only move it."""
    genuine = quantizer.annotate

    def annotate(model: Any) -> Any:
        found = genuine(model)
        for node in found.graph.nodes:
            if node.op == "call_function" and node.target in _convolutions():
                _hoist(node, quantizer.filter_fn)
        return found

    quantizer.annotate = annotate
    return quantizer


def _hoist(convolution: Any, asked: Callable[[Any], bool] | None) -> None:
    """Quantize before the moves that lead to ``convolution`` alone, all in the one scale; a padded zero is exact in any.

    Not where something else than convolutions reads what is moved, whose range the scale would have to take in, nor a move
    that the filter ``asked`` leaves out.
    """
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, SharedQuantizationSpec

    annotation = convolution.meta.get("quantization_annotation")
    if annotation is None:
        return
    spec = annotation.input_qspec_map.get(convolution.args[0])
    if not isinstance(spec, QuantizationSpec) or spec.is_dynamic:
        return
    last = convolution.args[0]
    given, moves = last.args[0] if _is_padding(last) else last, list[Any]()
    while _is_move(given) and len(given.users) == 1:
        moves.insert(0, given)
        given = given.args[0]
    before = given.meta.get("quantization_annotation")
    if all(_lies_as_before(move) for move in moves) or (before and not before.output_qspec) or given.op == "get_attr":
        return
    if asked and not all(asked(move) for move in (*moves, last)):
        return
    if not all(reader.target in (*_convolutions(), *_moves()) for reader in given.users):
        return
    shared = SharedQuantizationSpec(given if before else (given, moves[0]))
    for move in moves:
        taken = spec if move is moves[0] and not before else shared
        move.meta["quantization_annotation"] = QuantizationAnnotation(
            input_qspec_map={move.args[0]: taken}, output_qspec=shared, _annotated=True
        )
    if not _is_padding(last):
        annotation.input_qspec_map[last] = shared
    else:
        del annotation.input_qspec_map[last]
        last.meta["quantization_annotation"] = QuantizationAnnotation(input_qspec_map={last.args[0]: shared}, _annotated=True)


def _is_move(node: Any) -> bool:
    """Whether ``node`` moves values in a way that XNNPACK takes: to sizes that are known but for one, and to no other order."""
    import torch

    if node.op != "call_function" or node.target not in _moves():
        return False
    if node.target in (torch.ops.aten.reshape.default, torch.ops.aten.view.default):
        return all(isinstance(size, int) for size in node.args[1])
    return node.kwargs.get("memory_format") in (None, torch.contiguous_format, torch.preserve_format)


def _lies_as_before(move: Any) -> bool:
    """Whether XNNPACK, which computes on pixels, has nothing to move for it (``upstream/free_permutes.py``)."""
    import torch

    aten = torch.ops.aten
    return move.target is aten.clone.default or (move.target is aten.permute.default and makes_planes(move.args[1]))


def _is_padding(node: Any) -> bool:
    """Whether ``node`` pads a picture's height and width with zeros, for one reader."""
    import torch

    if node.op != "call_function" or node.target != torch.ops.aten.constant_pad_nd.default:
        return False
    return len(node.users) == 1 and len(node.args) == 2 and len(node.args[1]) <= 4


def _convolutions() -> tuple[Any, ...]:
    import torch

    aten = torch.ops.aten
    return (aten.conv2d.default, aten.conv2d.padding, aten.convolution.default)


def _moves() -> tuple[Any, ...]:
    import torch

    aten = torch.ops.aten
    return (aten.permute.default, aten.reshape.default, aten.view.default, aten.clone.default)


@contextmanager
def pixels_padded() -> Iterator[None]:
    """Inside it, XNNPACK's layout pass wants pixels for zeros around a picture that convolutions alone read."""
    from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import ChannelsLastTaggedReshapePass

    layouts: Any = ChannelsLastTaggedReshapePass
    asked = layouts.requires_nhwc_input
    layouts.requires_nhwc_input = lambda self, node: bool(asked(self, node)) or _pads_for_convolutions(node)
    try:
        yield
    finally:
        layouts.requires_nhwc_input = asked


def _pads_for_convolutions(node: Any) -> bool:
    from executorch.backends.xnnpack.utils.quant_utils import is_dequant, is_quant
    from executorch.exir.dialects._ops import ops

    aten = ops.edge.aten
    if node.target != aten.constant_pad_nd.default or node.meta["val"].dim() != 4 or len(node.args[1]) > 4:
        return False
    readers = list(node.users)
    while readers and all(is_quant(reader) or is_dequant(reader) for reader in readers):
        readers = [user for reader in readers for user in reader.users]
    return bool(readers) and all(reader.target == aten.convolution.default for reader in readers)
