"""One thing that ffmpeg opens (a file, a picture, an address, a camera) as frames, and how it ended."""

import os
import subprocess
import threading
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple

from ffmpeg import Child, Tool
from frames import Frame, Reader, Stalled

END_MARGIN_SECONDS = 1.0


class Clip(NamedTuple):
    """``options`` go before ``-i``; ``input`` is ``pipe:0`` where ``path`` is read from standard input.

    ``label`` names a frame, its number in the place of ``{}``; ``name`` is what messages call the whole.
    """

    name: str
    label: str
    options: List[str]
    input: str
    path: str = ""
    live: bool = False


class Way(NamedTuple):
    """How clips are decoded: ``stall`` in seconds, ``scale`` as the largest width and height."""

    tool: Tool
    stall: float
    scale: Optional[Tuple[int, int]]
    stop: threading.Event


class End(NamedTuple):
    """How a clip ended: ``complete`` where nothing of it is missing, else ``reason`` says what went wrong."""

    frames: int
    complete: bool
    reason: str


class Decoding:
    """Iterate it for the frames, numbered from ``number``; afterwards ``end`` is set.

    ``damaged`` is called once where ffmpeg reports errors and goes on.
    """

    def __init__(self, clip: Clip, way: Way, number: int, damaged: Callable[[str, str], None]) -> None:
        self.clip, self.way, self.number, self.damaged = clip, way, number, damaged
        self.rate: Optional[float] = None
        self.duration: Optional[float] = None
        self.end = End(0, False, "")

    def __iter__(self) -> Iterator[Frame]:
        try:
            stdin = open(self.clip.path or os.devnull, "rb")  # noqa: SIM115
        except OSError as error:
            self.end = End(0, False, error.strerror or str(error))
            return
        with stdin:
            child = Child(self._command(), stdin, subprocess.PIPE)
            try:
                yield from self._frames(child)
            finally:
                child.kill()

    def _frames(self, child: Child) -> Iterator[Frame]:
        assert child.process.stdout is not None
        reader = Reader(child.process.stdout.fileno(), self.way.stall, self.way.stop)
        count, told = 0, False
        while True:
            try:
                frame = reader.next(self.clip.label.format(self.number + count))
            except Stalled:
                self.end = End(count, False, f"no picture for {reader.waited:g} s")
                return
            code = child.end() if frame is None else 0
            self.rate, self.duration = child.said.rate, child.said.duration
            if count and child.said.errors and not told:
                told = True
                self.damaged(self.clip.name, f"damaged: {child.said.first}")
            if frame is None:
                self.end = End(count, code == 0 and self._whole(child.said.reached), child.said.reason(self.clip.input))
                return
            count += 1
            yield frame

    def _command(self) -> List[str]:
        filters = []
        if self.way.scale:
            width, height = self.way.scale
            within = "scale=w='min(iw,{})':h='min(ih,{})':force_original_aspect_ratio=decrease"
            filters = ["-vf", within.format(width, height)]
        return [
            *self.way.tool.start(), *self.clip.options, "-i", self.clip.input, "-map", "0:v:0", *filters,
            *self.way.tool.every_frame(), "-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "-",
        ]  # fmt: skip

    def _whole(self, reached: Optional[float]) -> bool:
        """Whether the end came where the clip says it is; a live stream says no end, so it only ever breaks off."""
        if not self.clip.live:
            return True
        return self.duration is not None and (reached or 0.0) > self.duration - END_MARGIN_SECONDS
