"""A fixed, class-balanced choice of N samples out of a sorted list."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def choose(items: Sequence[Item], classes: Sequence[Hashable], count: int | None) -> list[Item]:
    """Return ``count`` of ``items`` in their order: an equal share of each class, as far as it goes, evenly spaced.

    With fewer places than classes it is one item each of classes evenly spaced. ``classes`` holds each item's class.
    All items are returned when ``count`` is None or not fewer than there are.
    """
    if count is None or count >= len(items):
        return list(items)
    members: dict[Hashable, list[int]] = {}
    for index, name in enumerate(classes):
        members.setdefault(name, []).append(index)
    chosen: list[int] = []
    for group, share in zip(members.values(), _shares([len(group) for group in members.values()], count), strict=True):
        chosen += [group[i * len(group) // share] for i in range(share)]
    return [items[index] for index in sorted(chosen)]


def _shares(sizes: list[int], count: int) -> list[int]:
    """Deal ``count`` places out, in rounds, to groups that still have members; where not all get one, evenly spaced."""
    if count < len(sizes):
        served = {place * len(sizes) // count for place in range(count)}
        return [int(group in served) for group in range(len(sizes))]
    shares = [0] * len(sizes)
    waiting = list(range(len(sizes)))
    while count:
        for group in waiting[:count]:
            shares[group] += 1
        count -= len(waiting[:count])
        waiting = [group for group in waiting if shares[group] < sizes[group]]
    return shares
