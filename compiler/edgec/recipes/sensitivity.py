"""How much the quantization of each submodule costs: all of them ranked, and the fewest found that must not be quantized."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from edgec.recipes.submodules import stack

if TYPE_CHECKING:
    from edgec.artifacts.material import Material

PROBED = 16
"""Calibration batches, at least, that a submodule's sensitivity is measured on, evenly spaced."""


def candidates(prepared: Any) -> list[str]:
    """Return the submodules whose weights a graph prepared with fake quantization rounds, in order."""
    owners = [owner for node in _fakes(prepared) if node.args[0].op == "get_attr" for owner in _owners(node)]
    return list(dict.fromkeys(owners))


def fewest(holds: Callable[[int], bool], most: int) -> int | None:
    """Return the smallest count that ``holds``: 0, 1, 2, 4 … are tried up to ``most``, then the gap is halved.

    None where not even ``most`` does.
    """
    low, high = -1, 0
    while not holds(high):
        if high == most:
            return None
        low, high = high, min(most, max(1, 2 * high))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def ranked(prepared: Any, names: Sequence[str], material: Material) -> list[str]:
    """Return the submodules ``names``, the most sensitive first: by how far the outputs move when one alone is rounded.

    One graph with fake quantization serves for all: roundings are switched on and off in it.
    """
    import torch
    from torchao.quantization.pt2e import disable_fake_quant, disable_observer

    prepared.apply(disable_fake_quant)
    modules = dict(prepared.named_modules(remove_duplicate=False))
    roundings: dict[str, list[Any]] = {name: [] for name in names}
    for node in _fakes(prepared):
        for owner in {*_owners(node)} & roundings.keys():
            roundings[owner].append(modules[node.target])
    with torch.no_grad():
        probes = _spaced(material, prepared)
        prepared.apply(disable_observer)
        expected = [prepared(*inputs) for inputs in probes]
        errors = {}
        for name, found in roundings.items():
            for rounding in found:
                rounding.enable_fake_quant()
            errors[name] = sum(_error(prepared(*inputs), wanted) for inputs, wanted in zip(probes, expected, strict=True))
            prepared.apply(disable_fake_quant)
    material.say(f"sensitivity: {len(errors)} submodules ranked on {len(probes)} calibration batches")
    return sorted(errors, key=lambda name: -errors[name])


def _spaced(material: Material, observing: Any) -> list[Any]:
    """Show all calibration data to ``observing``, and return evenly spaced batches of it: PROBED and up to twice as many."""
    kept, step = list[Any](), 1
    for index, inputs in enumerate(material.calibration()):
        observing(*inputs)
        if index % step == 0:
            kept.append(inputs)
        if len(kept) > 2 * PROBED:
            kept, step = kept[::2], 2 * step
    return kept


def _error(found: Any, wanted: Any) -> float:
    """Squared error as a share of the outputs' variance, summed over the outputs."""
    pairs = [(a.double(), b.double()) for a, b in zip(found, wanted, strict=True) if b.is_floating_point()]
    return sum(float((a - b).square().mean() / b.var(correction=0).clamp_min(1e-12)) for a, b in pairs)


def _fakes(prepared: Any) -> list[Any]:
    """The nodes of a prepared graph that imitate a rounding."""
    from torchao.quantization.pt2e.fake_quantize import FakeQuantizeBase

    modules = dict(prepared.named_modules(remove_duplicate=False))
    calls = (node for node in prepared.graph.nodes if node.op == "call_module")
    return [node for node in calls if isinstance(modules[node.target], FakeQuantizeBase)]


def _owners(fake: Any) -> list[str]:
    """The submodules whose operators read or make what is rounded; "" for the model's own code."""
    around = [fake.args[0], *fake.users]
    return [entries[-1][0] for node in around if node.op == "call_function" and (entries := stack(node))]
