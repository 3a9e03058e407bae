"""Frames to JPEG through a child of ffmpeg's, one in and one out; it is started with the first and again for another size."""

import os
import select
import subprocess
import time
from typing import List, Optional, Tuple

from ffmpeg import Child, Tool, write_all
from frames import Frame
from problem import ENVIRONMENT, Problem

WIDEST = 1280
QUALITY = "5"
SECONDS_TO_ENCODE = 5.0


class Jpegs:
    """Call ``close`` when nobody looks: the child then ends."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.child: Optional[Child] = None
        self.size: Tuple[int, int] = (0, 0)

    def encode(self, frame: Frame) -> bytes:
        """Return the JPEG of a frame; raises Problem with ffmpeg's reason where it gives none."""
        if self.child is None or self.size != (frame.width, frame.height):
            self.close()
            self.size = (frame.width, frame.height)
            self.child = Child(self._command(), subprocess.PIPE, subprocess.PIPE)
        assert self.child.process.stdin is not None
        try:
            write_all(self.child.process.stdin.fileno(), frame.pixels())
            return self._take(time.monotonic() + SECONDS_TO_ENCODE)
        except (BrokenPipeError, EOFError):
            said = self.child.said
            self.close()
            raise Problem(ENVIRONMENT, f"ffmpeg makes no JPEG: {said.reason('-')}") from None

    def close(self) -> None:
        """End the child, if there is one."""
        if self.child:
            self.child.kill()
        self.child = None

    def _command(self) -> List[str]:
        width, height = self.size
        return [
            *self.tool.start(), "-probesize", "32", "-analyzeduration", "0", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-video_size", f"{width}x{height}", "-i", "-", "-vf", f"scale=w='min(iw,{WIDEST})':h=-1", *self.tool.every_frame(),
            # One thread: more would hold back as many frames.
            "-threads", "1", "-c:v", "mjpeg", "-q:v", QUALITY, "-flush_packets", "1", "-f", "mpjpeg", "-",
        ]  # fmt: skip

    def _take(self, deadline: float) -> bytes:
        """Read one part of ffmpeg's multipart stream: lines, among them the length, an empty one, the picture."""
        length = 0
        while True:
            line = b""
            while not line.endswith(b"\n"):
                line += self._read(1, deadline)
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if line == b"\r\n" and length:
                return self._read(length, deadline)

    def _read(self, length: int, deadline: float) -> bytes:
        assert self.child is not None and self.child.process.stdout is not None
        descriptor, parts = self.child.process.stdout.fileno(), []
        while length:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(descriptor, length) if ready else b""
            if not part:
                raise EOFError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)
