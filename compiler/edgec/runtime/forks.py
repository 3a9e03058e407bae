"""Work in forks of this process: each has what was imported and read already, and an interpreter of its own."""

from __future__ import annotations

import os
import pickle
import signal
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO, Generic, NoReturn, TypeVar

from edgec.runtime.guard import die_with_parent

Found = TypeVar("Found")


class Fork(Generic[Found]):
    """A child process at ``work``; ``result`` waits for what it found."""

    def __init__(self, pid: int, answer: BinaryIO, work: Callable[[], Found]) -> None:
        self._pid, self._answer, self._work = pid, answer, work
        self._told: bytes | None = None

    def wait(self) -> None:
        """Wait until it has ended."""
        if self._told is None:
            told = self._answer.read()
            os.waitpid(self._pid, 0)
            self._answer.close()
            self._told = told

    def interrupt(self) -> None:
        """Have it end as by Ctrl-C, and wait until it has."""
        if self._told is None:
            os.kill(self._pid, signal.SIGINT)
            self.wait()

    def result(self) -> Found:
        """Return what the work returned; where the child died of something, the work is done here.

        Raises RuntimeError with the traceback of what it raised.
        """
        self.wait()
        if not self._told:
            return self._work()
        fine, found = pickle.loads(self._told)
        if not fine:
            raise RuntimeError(found)
        return found  # type: ignore[no-any-return]


class Forks:
    """The forks of one block, which have ended when it is left: interrupted, where an exception leaves it."""

    def __init__(self) -> None:
        self._begun: list[Fork[Any]] = []

    def begin(self, work: Callable[[], Found]) -> Fork[Found] | None:
        """Begin ``work`` in a child process; None, with nothing begun, where the system gives no more of them.

        What it returns is pickled; what else it changes in memory is gone with it. No thread may hold a lock that it takes.
        """
        reading = writing = -1
        parent = os.getpid()
        try:
            reading, writing = os.pipe()
            pid = os.fork()
        except OSError:
            for descriptor in {reading, writing} - {-1}:
                os.close(descriptor)
            return None
        if not pid:
            _be(work, writing, parent)
        os.close(writing)
        fork = Fork(pid, os.fdopen(reading, "rb"), work)
        self._begun.append(fork)
        return fork

    def wait(self) -> None:
        """Wait until each of them has ended."""
        for fork in self._begun:
            fork.wait()

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for fork in self._begun:
            if kind:
                fork.interrupt()
            else:
                fork.wait()


def _be(work: Callable[[], object], writing: int, parent: int) -> NoReturn:
    """Be the child: tell what ``work`` returns or raises, and end without what the parent does at its own end."""
    try:
        die_with_parent(parent)
        told = _told(work)
        with os.fdopen(writing, "wb") as answer:
            answer.write(told)
    finally:
        os._exit(0)


def _told(work: Callable[[], object]) -> bytes:
    try:
        return pickle.dumps((True, work()))
    except Exception:
        return pickle.dumps((False, traceback.format_exc()))
