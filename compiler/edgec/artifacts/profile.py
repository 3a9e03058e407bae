"""What a model computes, counted on its graph in float32: from an earlier build, or from `edgec plan --profile`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Counts of one inference of the example input; they hold no clock and no host name.

    ``macs`` are multiply-accumulates by kind (``convolution``, ``linear``, ``other``), ``operators`` calls by ATen name.
    ``parameters`` counts the elements of the weights. ``dynamic``: an input's size varies, and the counts are the example's.
    """

    macs: Mapping[str, int]
    operators: Mapping[str, int]
    parameters: int
    dynamic: bool
