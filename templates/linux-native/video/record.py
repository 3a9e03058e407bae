"""The played video as a file, with boxes and labels, through a child of ffmpeg's that encodes."""

import contextlib
import os
import queue
import subprocess
import threading
from typing import Any, Callable, Dict, List, Optional

from draw import Painter
from ffmpeg import Child, Tool, write_all
from frames import Frame
from problem import ENVIRONMENT, Problem

WAITING = 8
USUAL_RATE = 25.0
LONGEST_STILL_SECONDS = 2.0
SECONDS_TO_END = 8.0


class Recorder:
    """Draws and encodes in a thread of its own. In real time frames that it has no time for are left out.

    ``rate`` is asked once, with the first frame. Raises Problem for a file that is there already, or cannot be written.
    """

    def __init__(self, path: str, tool: Tool, realtime: bool, rate: Callable[[], Optional[float]]) -> None:
        self.path, self.tool, self.realtime, self.rate = path, tool, realtime, rate
        self.frames = 0
        self.reason = ""
        self.waiting: Any = queue.Queue(WAITING)  # of (frame, line), and None at the end
        try:
            with open(path, "xb"):
                pass
        except FileExistsError:
            raise Problem(ENVIRONMENT, f"--record {path}: is there already, and is not overwritten") from None
        except OSError as error:
            raise Problem(ENVIRONMENT, f"--record {path}: {error.strerror}") from None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def add(self, frame: Frame, line: Dict[str, Any]) -> None:
        """Take a frame and what was seen in it."""
        if not self.realtime:
            self.waiting.put((frame, line))
            return
        with contextlib.suppress(queue.Full):
            self.waiting.put_nowait((frame, line))

    def close(self) -> None:
        """Finish the file; afterwards ``reason`` says what went wrong, if anything did. Without a frame there is no file."""
        self.waiting.put(None)
        self.thread.join()
        if not self.frames:
            with contextlib.suppress(OSError):
                os.remove(self.path)

    def _run(self) -> None:
        child: Optional[Child] = None
        painter, pace = Painter(), Pace(self.realtime)
        for frame, line in iter(self.waiting.get, None):
            if self.reason:
                continue  # taken all the same, so that nothing waits for it
            try:
                if child is None:
                    pace.rate = self.rate() or USUAL_RATE
                    child = Child(self._command(frame, pace.rate), subprocess.PIPE, subprocess.DEVNULL)
                times = pace.due(frame.captured)
                if times:
                    self._write(child, painter.painted(frame, line), times)
            except BrokenPipeError:
                self._end(child)
                self.reason = self.reason or "recording: ffmpeg has ended"
                child = None
            except Exception as error:  # told with the run's end; the run itself goes on
                self.reason = f"recording: {error if isinstance(error, Problem) else repr(error)}"
        self._end(child)

    def _write(self, child: Child, picture: bytearray, times: int) -> None:
        assert child.process.stdin is not None
        for _ in range(times):
            write_all(child.process.stdin.fileno(), memoryview(picture))
            self.frames += 1

    def _end(self, child: Optional[Child]) -> None:
        if child is None:
            return
        code = child.end(SECONDS_TO_END)
        # A file that it could not finish is an error that ffmpeg tells, and ends with 0 all the same.
        if (code or child.said.errors) and not self.reason:
            self.reason = "recording: " + child.said.reason("file:" + self.path)

    def _command(self, frame: Frame, rate: float) -> List[str]:
        # The common way to store colour takes even sizes. Pictures of other sizes are fitted into the first one's.
        width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
        fitted = (
            f"scale=w='min(iw,{width})':h='min(ih,{height})':force_original_aspect_ratio=decrease,"
            f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,setsar=1,format=yuv420p"
        )
        codec = ["libx264", "-preset", "veryfast", "-crf", "23"] if self.tool.encodes("libx264") else ["mpeg4", "-q:v", "4"]
        # In fragments: a recording that is cut off by a power failure is whole up to its last two seconds.
        fragments = [] if self.path.lower().endswith(".mkv") else ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]
        return [
            *self.tool.start(), "-y", "-f", "image2pipe", "-c:v", "ppm", "-framerate", f"{rate:g}", "-i", "-", "-vf", fitted,
            "-c:v", *codec, "-g", str(round(2 * rate)), *fragments, "file:" + self.path,
        ]  # fmt: skip


class Pace:
    """How often a frame is written, so that a recording in real time runs as its source did; still times are cut short."""

    def __init__(self, realtime: bool, rate: float = USUAL_RATE) -> None:
        self.realtime, self.rate = realtime, rate
        self.start: Optional[float] = None
        self.written = 0

    def due(self, captured: float) -> int:
        """Return how many pictures of the recording's even rate are due when this one was captured."""
        if not self.realtime:
            return 1
        if self.start is None:
            self.start = captured
        due = round((captured - self.start) * self.rate) + 1 - self.written
        most = max(1, round(LONGEST_STILL_SECONDS * self.rate))
        if due > most:
            self.start += (due - most) / self.rate
            due = most
        self.written += max(0, due)
        return max(0, due)
