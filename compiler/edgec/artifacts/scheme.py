"""What a recipe asks of a delegate's quantizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

OPTIONS = ("per_channel", "observer")
"""Fields of a Scheme that are options of recipes by the same name; which of them count is the delegate's matter."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """8-bit symmetric weights: a scale per output channel or one per tensor; activation ranges observed or per inference.

    ``training`` asks for fake quantization that gradients pass through. ``quantized`` says of a node of the exported graph
    whether it is to be quantized; None means every node that the delegate has a pattern for. ``observer`` says how static
    ranges come out of what was observed: the least squared error by a ``histogram``, or ``min-max``.
    """

    per_channel: bool = True
    dynamic: bool = False
    training: bool = False
    quantized: Callable[[Any], bool] | None = None
    observer: Literal["histogram", "min-max"] = "histogram"
