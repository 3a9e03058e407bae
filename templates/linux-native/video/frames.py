"""Pictures as ffmpeg writes them: binary PPM one after another, read with a limit on how long one may take."""

import os
import select
import threading
import time
from typing import NamedTuple, Optional

from problem import Stopped

TURN_SECONDS = 0.1
OPENING_SECONDS = 10.0


class Frame(NamedTuple):
    """One picture; ``data`` is the whole PPM, ``captured`` when its first byte came (monotonic seconds)."""

    source: str
    width: int
    height: int
    data: bytearray
    captured: float

    def pixels(self) -> memoryview:
        """Return the rows of RGB."""
        return memoryview(self.data)[len(self.data) - self.width * self.height * 3 :]


class Stalled(Exception):
    """No whole picture came in time."""


class Reader:
    """Takes the pictures off a pipe. One process of ffmpeg writes all its pictures with the same header."""

    def __init__(self, descriptor: int, stall: float, stop: threading.Event) -> None:
        self.descriptor, self.stall, self.stop = descriptor, stall, stop
        self.header = b""
        self.size = (0, 0)
        self.deadline = self.waited = 0.0

    def next(self, source: str) -> Optional[Frame]:
        """Return the next picture, None at the end; raises Stalled, and Stopped when the run is to end."""
        # Until the first picture ffmpeg connects and looks at the stream, which takes seconds of its own.
        self.waited = self.stall if self.header else max(self.stall, OPENING_SECONDS)
        self.deadline = time.monotonic() + self.waited
        first = bytearray(1)
        if self.fill(memoryview(first)) == 0:
            return None
        captured = time.monotonic()
        if self.header:
            self.fill(memoryview(bytearray(len(self.header) - 1)))
        else:
            self.learn(first)
        start = len(self.header)
        data = bytearray(start + self.size[0] * self.size[1] * 3)
        data[:start] = self.header
        if self.fill(memoryview(data)[start:]) < len(data) - start:
            return None
        return Frame(source, self.size[0], self.size[1], data, captured)

    def learn(self, words: bytearray) -> None:
        """Read the rest of the first picture's header, ``P6 WIDTH HEIGHT 255`` on three lines."""
        one = bytearray(1)
        while words.count(b"\n") < 3 and self.fill(memoryview(one)) == 1:
            words += one
        _, width, height, _ = bytes(words).split()
        self.header, self.size = bytes(words), (int(width), int(height))

    def fill(self, view: memoryview) -> int:
        """Fill ``view``; return how many bytes there were before the end."""
        at = 0
        while at < len(view):
            ready, _, _ = select.select([self.descriptor], [], [], TURN_SECONDS)
            if self.stop.is_set():
                raise Stopped
            if not ready:
                if time.monotonic() > self.deadline:
                    raise Stalled
                continue
            got = os.readv(self.descriptor, [view[at:]])
            if got == 0:
                break
            at += got
        return at
