"""XNNPACK: optimised float and integer kernels for Arm, x86 and RISC-V CPUs, in every ExecuTorch wheel."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target

SUMMARY = "optimised CPU kernels (Arm, x86, RISC-V)"
OPTIONS: Json = {"type": "object", "title": "xnnpack", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ("executorch",)
RECIPES: tuple[str, ...] = ("fp32", "fp16", "bf16", "int8", "int8-dynamic", "int8-qat", "mixed", "int4", "auto")
BACKENDS: tuple[str, ...] = ("XnnpackBackend",)
FOLDS = True
SELECTIVE = True
SCHEME: tuple[str, ...] = ("per_channel", "observer")
AVAILABLE = True
NOT_RUN = ""
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str | None:
    """Return None: it comes with executorch."""
    return None


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return XNNPACK's symmetric int8 quantizer; what it fuses with a clamp gets the clamp's range."""
    from edgec.upstream.clamped_ranges import ranges_behind_clamps
    from edgec.upstream.quantized_moves import moves_quantized

    found = ranges_behind_clamps(symmetric(scheme))
    return found if scheme.training else moves_quantized(found)


def symmetric(scheme: Scheme) -> Any:
    """Return the quantizer as every delegate can have it that takes XNNPACK's integers.

    ``set_module_name`` and ``set_module_type`` are not used: the first does nothing for convolutions, and says nothing.
    """
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    from edgec.upstream.dynamic_convolutions import relu_not_awaited

    config = get_symmetric_quantization_config(
        is_per_channel=scheme.per_channel, is_dynamic=scheme.dynamic, is_qat=scheme.training
    )
    if scheme.observer == "min-max":
        config = _observing_extremes(config)
    found = XNNPACKQuantizer().set_global(config)
    if scheme.dynamic:
        found = relu_not_awaited(found)
    return found.set_filter_function(functools.partial(_asked, scheme.quantized)) if scheme.quantized else found


def _observing_extremes(config: Any) -> Any:
    """Return ``config`` with activation ranges from the least to the greatest value seen, outliers and all."""
    from torchao.quantization.pt2e import MinMaxObserver

    extremes = MinMaxObserver.with_args(eps=2**-12)
    activation = dataclasses.replace(config.input_activation, observer_or_fake_quant_ctr=extremes)
    return dataclasses.replace(config, input_activation=activation, output_activation=activation)


def _asked(quantized: Callable[[Any], bool], node: Any) -> bool:
    """The quantizer takes a pattern only if its filter takes each node of it, weights and biases too: those have no say."""
    return node.op != "call_function" or quantized(node)


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner, which takes every precision that the graph shows it; bfloat16 it must be allowed to."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return [XnnpackPartitioner(enable_bf16=precision == "bf16")]


def steps(precision: str, options: Options) -> Steps:
    """Return nothing beyond ExecuTorch's own steps."""
    return Steps()


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Never comes to be called: the artifact runs here."""
    raise AssertionError("the artifact itself runs here")
