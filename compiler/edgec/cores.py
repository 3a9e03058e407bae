"""Work that lets other threads run: hashing, shared among the cores that this process may use, and waiting for a disk.

Where no thread can be started, it is done one after the other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Item = TypeVar("Item")
Found = TypeVar("Found")
WAITING = 4
"""Threads that wait for a disk, which writes what several of them ask for in one go: more gain little."""

_here = threading.local()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared(work: Callable[[Item], Found], items: Sequence[Item], few: int = 2) -> list[Found]:
    """Return ``work`` of each item, in order; fewer than ``few`` are not worth the start of threads. Raises what it raises.

    What is itself a part of shared work goes on alone: the cores are busy.
    """
    return _spread(work, items, _free() if len(items) >= few else 1)


def waiting(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Do ``work``, which waits for a disk and needs no core, for each item, WAITING at a time. Raises what it raises.

    It must bear being done twice: where the system gives no more threads, all of it is done once more here.
    """
    _spread(work, items, WAITING)


def together(work: Callable[[], None], beside: Callable[[], None]) -> None:
    """Do both, ``work`` in this thread, where an interrupt ends it, and ``beside`` in another. Raises what they raise."""
    if _free() > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1, initializer=_busy) as pool:
            begun = _begun(pool, [beside])
            if begun is not None:
                work()
                begun[0].result()
                return
    beside()
    work()


def _spread(work: Callable[[Item], Found], items: Sequence[Item], threads: int) -> list[Found]:
    if (count := min(threads, len(items))) > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(count, initializer=_busy) as pool:
            begun = _begun(pool, [partial(work, item) for item in items])
            if begun is not None:
                try:
                    return [future.result() for future in begun]
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    return [work(item) for item in items]


def _free() -> int:
    """How many cores this thread may share its work among."""
    return 1 if getattr(_here, "busy", False) else cores()


def _busy() -> None:
    """This thread is a part of shared work."""
    _here.busy = True


def _begun(pool: ThreadPoolExecutor, calls: Sequence[Callable[[], Found]]) -> list[Future[Found]] | None:
    """Submit the calls; None, with none of them left to do, where the system gives this process no more threads."""
    try:
        return [pool.submit(call) for call in calls]
    except RuntimeError:
        pool.shutdown(cancel_futures=True)
        return None
