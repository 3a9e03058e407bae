"""Work in forks of this process: each has what was imported and read already, and an interpreter of its own."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, BinaryIO, Generic, NoReturn, TypeVar

from edgec.runtime.guard import die_with_parent

Found = TypeVar("Found")

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a program. A terminal sends them to forks too, and then comes the parent's own."""

LENGTH = 8
"""Bytes before an answer that say how long it is: a child that dies tells less."""


def borne() -> bool:
    """Whether a process goes on well in a fork: Apple's frameworks, once they are loaded, do not bear one."""
    return sys.platform != "darwin"


class Fork(Generic[Found]):
    """A child process at ``work``; ``result`` waits for what it found, and ``waited`` says that it has ended."""

    def __init__(self, pid: int, answer: BinaryIO, work: Callable[[], Found]) -> None:
        self._pid, self._answer, self._work = pid, answer, work
        self._told = b""
        self.waited = False

    def ended(self) -> bool:
        """Whether it has ended, or is about to: ``result`` does not wait for its work any more."""
        if self.waited:
            return True
        poll = select.poll()  # select takes no file above 1023
        poll.register(self._answer, select.POLLIN)
        return bool(poll.poll(0))

    def wait(self) -> None:
        """Wait until it has ended."""
        if not self.waited:
            self._told = self._answer.read()
            with contextlib.suppress(ChildProcessError):  # who started this process ignores SIGCHLD: the system waits
                os.waitpid(self._pid, 0)
            self.waited = True
            self._answer.close()

    def interrupt(self) -> None:
        """Have it end as by Ctrl-C."""
        if not self.waited:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def forget(self) -> None:
        """Close what it would tell by, in a fork of the same parent: only that one hears it."""
        self._answer.close()

    def result(self) -> Found:
        """Return what the work returned; where the child died of something, the work is done here.

        Raises RuntimeError with the traceback of what it raised.
        """
        self.wait()
        length, told = int.from_bytes(self._told[:LENGTH], "little"), self._told[LENGTH:]
        if len(told) < max(length, 1):
            return self._work()
        fine, found = pickle.loads(told)
        if not fine:
            raise RuntimeError(found)
        return found  # type: ignore[no-any-return]


class Forks:
    """The forks of one block, which have ended when it is left: interrupted, where an exception leaves it."""

    def __init__(self) -> None:
        self._begun: list[Fork[Any]] = []

    def begin(self, work: Callable[[], Found]) -> Fork[Found] | None:
        """Begin ``work`` in a child process; None, with nothing begun, where the system gives no more of them.

        None on Apple's systems too, whose frameworks do not bear a fork. What ``work`` returns is pickled; what else it
        changes in memory is gone with it, and nobody hears what it prints. No thread may hold a lock that it takes.
        """
        if not borne():
            return None
        try:
            reading, writing = os.pipe()
        except OSError:
            return None
        parent = os.getpid()
        self._begun = [fork for fork in self._begun if not fork.waited]  # what they hold may go
        with _held_back() as came:
            try:
                pid = _forked()
            except OSError:
                os.close(reading)
                os.close(writing)
                return None
            if not pid:
                _be(work, reading, writing, parent, self._begun, came)
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
        if kind:
            for fork in self._begun:
                fork.interrupt()
        self.wait()


def _forked() -> int:
    with warnings.catch_warnings():  # of threads, from Python 3.12 on
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@contextlib.contextmanager
def _held_back() -> Iterator[list[int]]:
    """Inside it the signals of ENDING that are heard are noted; they come when it is left."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    heard = {}
    if threading.current_thread() is threading.main_thread():  # nowhere else may a handler be set, or does one run
        heard = {number: signal.getsignal(number) for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
    for number in heard:
        signal.signal(number, note)
    # Another thread may be given what this one blocks. A child has this one alone, and forgets what comes while it begins.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield came
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in heard.items():
            signal.signal(number, handler)
        for arrived in came:
            signal.raise_signal(arrived)


def _be(
    work: Callable[[], object], reading: int, writing: int, parent: int, others: list[Fork[Any]], came: list[int]
) -> NoReturn:
    """Be the child: tell what ``work`` returns or raises, and end without what the parent does at its own end.

    ``came`` are signals that were held back until it hears them itself.
    """
    try:
        _interrupted_once()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        if came:
            raise KeyboardInterrupt
        die_with_parent(parent)
        os.close(reading)
        for fork in others:
            fork.forget()
        # Their locks may have been held by a thread that is not here.
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
        told = _told(work)
        with os.fdopen(writing, "wb") as answer:
            answer.write(len(told).to_bytes(LENGTH, "little") + told)
    finally:
        os._exit(0)


def _interrupted_once() -> None:
    """Let the first of ENDING raise KeyboardInterrupt, and those after it do nothing: what puts things back should finish."""
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt

    for number in ENDING:
        # SIGTERM is the parent's word, whatever else is ignored under nohup or in the background.
        if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def _told(work: Callable[[], object]) -> bytes:
    try:
        return pickle.dumps((True, work()))
    except Exception:
        return pickle.dumps((False, traceback.format_exc()))
