"""Work that lets other threads run, hashing and waiting for a disk, shared among the cores that this process may use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")
_here = threading.local()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared(work: Callable[[Item], Found], items: Sequence[Item], few: int = 2) -> list[Found]:
    """Return ``work`` of each item, in order; fewer than ``few`` are not worth the start of threads. Raises what it raises.

    What is itself a part of shared work goes on alone: the cores are busy.
    """
    count = min(cores(), len(items))
    if count < 2 or len(items) < few or getattr(_here, "part", False):
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count, initializer=alone) as pool:
        return list(pool.map(work, items))


def alone() -> None:
    """Share nothing that this thread does from now on."""
    _here.part = True
