"""ffmpeg as a child: which one there is, the commands it is given, and what it says while it works."""

import collections
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import threading
from typing import IO, Any, Deque, List, NamedTuple, Optional, Sequence, Tuple

from problem import ENVIRONMENT, MISSING, Problem, masked

PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031
LEVEL = re.compile(r"^(?:\[[^\]]*\] )*\[(\w+)\] ?(.*)$")
WRONG = ("error", "fatal", "panic")
FULL = "No space left on device"  # an error also where ffmpeg, before 4.1, names no levels
NEWEST = (99, 0)
SECONDS_TO_END = 5.0


class Tool(NamedTuple):
    """The ffmpeg that is on PATH."""

    path: str
    version: Tuple[int, int]

    def start(self) -> List[str]:
        """Return the beginning of every command; since 4.1 each message can be asked to name its level."""
        level = "level+info" if self.version >= (4, 1) else "info"
        return [self.path, "-hide_banner", "-nostdin", "-nostats", "-loglevel", level]

    def every_frame(self) -> List[str]:
        """Return the option by which no frame is doubled or left out to keep an even rate."""
        return ["-fps_mode", "passthrough"] if self.version >= (5, 1) else ["-vsync", "passthrough"]

    def encodes(self, name: str) -> bool:
        """Whether it was built with an encoder."""
        listed = subprocess.check_output([*self.start(), "-encoders"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return re.search(rb"^ V\S* %s " % name.encode(), listed, re.M) is not None


def find() -> Tool:
    """Return the ffmpeg on PATH; raises Problem (missing) without one."""
    path = shutil.which("ffmpeg")
    if path is None:
        raise Problem(MISSING, "--source needs ffmpeg, which is not on PATH (Debian, Ubuntu, JetPack: apt install ffmpeg)")
    try:
        said = subprocess.check_output([path, "-version"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Problem(MISSING, f"{path} does not run: {error}") from None
    found = re.match(rb"ffmpeg version n?(\d+)\.(\d+)", said)
    return Tool(path, (int(found.group(1)), int(found.group(2))) if found else NEWEST)


class Child:
    """A child process in a session of its own, so that a terminal's Ctrl-C reaches only us, and what it says."""

    def __init__(self, command: List[str], stdin: Any, stdout: Any) -> None:
        try:
            self.process = subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise Problem(ENVIRONMENT, f"{command[0]} cannot be started: {error.strerror}") from None
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                widen(pipe)
        self.said = Said()
        self.listener = threading.Thread(target=self.said.listen, args=(self.process.stderr,), daemon=True)
        self.listener.start()

    def end(self, seconds: float = SECONDS_TO_END) -> int:
        """Close its standard input, wait for it, kill it when it does not end; return its exit code."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.join(1)
        return self.process.returncode

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.end()


class Said:
    """What ffmpeg wrote on standard error: the stream's duration and rate, how far it came, and what went wrong."""

    def __init__(self) -> None:
        self.duration: Optional[float] = None
        self.rate: Optional[float] = None
        self.reached: Optional[float] = None
        self.errors = 0
        self.first = ""
        self.last = ""
        self.lines: Deque[str] = collections.deque(maxlen=8)

    def listen(self, pipe: IO[bytes]) -> None:
        """Read until the child closes it."""
        for raw in pipe:
            self.line(masked(raw.decode("utf-8", "replace").rstrip()))
        pipe.close()

    def line(self, text: str) -> None:
        """Take one line."""
        found = LEVEL.match(text)
        level, words = (found.group(1), found.group(2)) if found else ("", text)
        if level in WRONG or (not level and FULL in words):
            self.errors += 1
            self.first, self.last = self.first or words, words
        elif level in ("", "warning") and words and not words.startswith(("frame=", "video:")):
            self.lines.append(words)
        reached = re.match(r"frame=.* time=(\d+):(\d+):(\d+(?:\.\d+)?)", words)
        if reached:
            self.reached = clock(reached.groups())
        duration = re.match(r"\s*Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", words)
        if duration and self.duration is None:
            self.duration = clock(duration.groups())
        rate = re.search(r"Stream #0.*: Video: .*?([\d.]+) (?:fps|tbr)", words)
        if rate and self.rate is None:
            self.rate = float(rate.group(1))

    def reason(self, opened: str) -> str:
        """Return why ``opened`` ended, in ffmpeg's words; before 4.1 it names no levels: then it is the last line it wrote."""
        words = [self.first, self.last] if self.errors else list(self.lines)[-1:]
        opened = masked(opened) + ": "
        told = [text[len(opened) :] if text.startswith(opened) else text for text in words]
        return "; ".join(dict.fromkeys(told)) or "it broke off"


def clock(parts: Sequence[str]) -> float:
    """Return hours, minutes and seconds in seconds."""
    return int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])


def widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more than 64 KiB where the system allows: a frame then takes few turns."""
    with contextlib.suppress(OSError):  # more than this user may have: it works all the same
        fcntl.fcntl(pipe.fileno(), F_SETPIPE_SZ, PIPE_BYTES)


def write_all(descriptor: int, view: memoryview) -> None:
    """Write every byte to a pipe; raises BrokenPipeError where nobody reads it any more."""
    while view:
        view = view[os.write(descriptor, view) :]
