"""Attention as two matrix products around a softmax: the decomposition at lowering guards against rows all masked.

Outside XNNPACK the guard runs as portable kernels. OpenVINO runs it itself, but has a kernel for the whole of an attention
without it, in float: on AVX2 the attention of three of ViT-B/16's layers came from 22 to 8 ms.
"""

from __future__ import annotations

import math
from typing import Any

from edgec.rewrites.graph import Writer, calls, constant, held, shaped, swept, value
from edgec.rewrites.memory import storage, unwritten
from edgec.rewrites.products import product

SUMMARY = "attention without the guard for rows that are masked as a whole"
DELEGATES: tuple[str, ...] = ("xnnpack", "openvino")
RECIPES: tuple[str, ...] = ()

MASKED = -1e4
"""Stands for minus infinity: e to the power of it is 0, and float16 has it."""


def suits(precision: str, static: bool) -> bool:
    """Return True."""
    return True


def rewrite(program: Any) -> list[Any]:
    """Replace every ``scaled_dot_product_attention`` whose mask is known and leaves something of every row.

    Masks are subtracted and scores divided, which XNNPACK's quantizer does not annotate: a quantized graph computes them
    in float. OpenVINO's is kept off all of it (``delegates/openvino.py``).
    """
    import torch

    found = []
    for node in calls(program, torch.ops.aten.scaled_dot_product_attention.default):
        given = dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), node.args, strict=False))
        given |= node.kwargs
        mask = _mask(program, given)
        if mask is None or given.get("dropout_p") or given.get("enable_gqa") or not _alike(given):
            continue
        if given.get("scale") != 0:  # nothing is divided by
            found.append(_attention(program, node, given, mask))
    if found:
        swept(program)
    return found


def _alike(given: dict[str, Any]) -> bool:
    """Whether the three have known shapes that are equal in all but the last two axes."""
    three = [given["query"], given["key"], given["value"]]
    if not all(shaped(item) and value(item).dim() >= 3 for item in three):
        return False
    return len({tuple(value(item).shape[:-2]) for item in three}) == 1


def _mask(program: Any, given: dict[str, Any]) -> Any:
    """Return what to subtract from the scores: 0.0 for nothing, None where that is not known."""
    import torch

    dtype = value(given["query"]).dtype
    if given.get("is_causal"):
        rows, columns = value(given["query"]).shape[-2], value(given["key"]).shape[-2]
        if not (isinstance(rows, int) and isinstance(columns, int)):
            return None
        return torch.ones(rows, columns, dtype=dtype).triu(1) * -MASKED
    if given.get("attn_mask") is None:
        return 0.0
    tensors, node = held(program), given["attn_mask"]
    mask = tensors.get(node)
    if mask is None or not unwritten(node) or (_learnt(program, node) and not _alone(tensors, node)):
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, MASKED)
    mask = mask.clamp(min=MASKED)
    return None if bool((mask.amax(-1) <= MASKED).any()) else -mask


def _learnt(program: Any, node: Any) -> bool:
    return node.name in program.graph_signature.inputs_to_parameters


def _alone(tensors: dict[Any, Any], node: Any) -> bool:
    """Whether a parameter is one mask and nothing else: negated here, it can be trained no more elsewhere."""
    return len(node.users) == 1 and sum(storage(tensor) == storage(tensors[node]) for tensor in tensors.values()) == 1


def _attention(program: Any, node: Any, given: dict[str, Any], mask: Any) -> Any:
    import torch

    aten, writer = torch.ops.aten, Writer(program, node)
    query, key = given["query"], given["key"]
    scale = given.get("scale")
    divisor = math.sqrt(value(query).shape[-1]) if scale is None else 1.0 / scale
    query = writer.call(aten.div.Tensor, query, divisor)
    scores = product(writer, query, writer.call(aten.transpose.int, key, -2, -1))
    if isinstance(mask, torch.Tensor):
        learnt = not given.get("is_causal") and _learnt(program, given["attn_mask"])
        scores = writer.call(aten.sub.Tensor, scores, constant(program, mask.detach(), node, learnt))
    shares = writer.call(aten.softmax.int, scores, -1)
    made = product(writer, shares, given["value"])
    writer.instead(made)
    return made
