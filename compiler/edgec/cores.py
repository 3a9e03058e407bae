"""Work that lets other threads run: hashing, shared among the cores that this process may use, and waiting for a disk.

Where no thread can be started, it is done one after the other.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

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
    """Do ``work``, which waits for a disk and needs no core, for each item, WAITING at a time. Raises what it raises."""
    _spread(work, items, WAITING)


def together(work: Callable[[], None], beside: Callable[[], None]) -> None:
    """Do both, ``work`` in this thread, where an interrupt ends it, and ``beside`` in another. Raises what they raise."""
    errors: list[BaseException] = []

    def other() -> None:
        try:
            beside()
        except BaseException as error:
            errors.append(error)

    begun = _started(1, other) if _free() > 1 else []
    if not begun:
        beside()
    try:
        work()
    finally:
        _join(begun)
    if errors:
        raise errors[0]


def _spread(work: Callable[[Item], Found], items: Sequence[Item], threads: int) -> list[Found]:
    """Do ``work`` for each item in this thread and, as far as the system gives any, in others: each takes the next one."""
    if (count := min(threads, len(items))) < 2:
        return [work(item) for item in items]
    left, found, errors = deque(enumerate(items)), dict[int, Found](), dict[int, BaseException]()

    def take() -> None:
        while left:
            try:
                index, item = left.popleft()
            except IndexError:  # another has taken it meanwhile
                return
            try:
                found[index] = work(item)
            except BaseException as error:
                errors[index] = error
                left.clear()

    before, _here.busy = getattr(_here, "busy", False), True
    begun = _started(count - 1, take)
    try:
        take()
    finally:
        left.clear()
        _join(begun)
        _here.busy = before
    for error in errors.values():
        if not isinstance(error, Exception):  # an interrupt
            raise error
    if errors:
        raise errors[min(errors)]
    return [found[index] for index in range(len(items))]


def _started(count: int, work: Callable[[], None]) -> list[threading.Thread]:
    """Begin ``work`` in so many threads, or in as many as the system gives this process."""

    def part() -> None:
        _here.busy = True
        work()

    threads = [threading.Thread(target=part) for _ in range(count)]
    for index, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            return threads[:index]
    return threads


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def _free() -> int:
    """How many cores this thread may share its work among."""
    return 1 if getattr(_here, "busy", False) else cores()
