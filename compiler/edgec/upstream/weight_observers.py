"""Weights observed once in a calibration, not once a sample: their smallest and largest values do not change.

A graph that ``prepare_pt2e`` (torchao 0.18) made calls the observers of weights in every forward, and each goes over
the whole weight. Minimum and maximum of the same values twice are what they are once, so the ``.pte`` bytes are the
same, which tests/torch/test_upstream_speed.py holds. Goes away when torchao observes constants when it prepares a graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary


@contextmanager
def weights_observed_once() -> Iterator[None]:
    """Inside it, observers of minimum and maximum skip a parameter that they saw last, unless it was changed since."""
    from torch.nn import Parameter
    from torchao.quantization.pt2e.observer import MinMaxObserver, PerChannelMinMaxObserver

    kinds: tuple[Any, ...] = (MinMaxObserver, PerChannelMinMaxObserver)
    genuine = {kind: kind.forward for kind in kinds}
    seen: WeakKeyDictionary[Any, tuple[Any, int]] = WeakKeyDictionary()

    def once(kind: Any) -> Any:
        def forward(self: Any, x_orig: Any) -> Any:
            # A moving average is another with every look.
            if type(self) is not kind or not isinstance(x_orig, Parameter):
                return genuine[kind](self, x_orig)
            last = seen.get(self)
            if last is None or last[0] is not x_orig or last[1] != x_orig._version:
                genuine[kind](self, x_orig)
                seen[self] = (x_orig, x_orig._version)
            return x_orig

        return forward

    for kind in kinds:
        kind.forward = once(kind)
    try:
        yield
    finally:
        for kind, forward in genuine.items():
            kind.forward = forward
