"""A file, a folder, a stream's address or a camera as frames, one after another; a lost stream is connected again."""

import os
import re
import stat
import time
from typing import Any, Callable, Dict, Generator, Iterator, List, NamedTuple, Optional

from clip import Clip, Decoding, Way
from frames import Frame
from problem import ENVIRONMENT, USAGE, Problem, Stopped, masked

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
VIDEOS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg", ".mjpeg", ".h264", ".h265", ".y4m", ".gif",
)  # fmt: skip
PICTURES_A_SECOND = 2.0  # of a folder: they have no speed of their own
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0

Tell = Callable[[Dict[str, Any]], None]


class Settings(NamedTuple):
    """How a source is played; ``retries`` None: a lost stream is tried for ever."""

    realtime: bool
    loop: bool
    retries: Optional[int]
    input_options: List[str]


class Source:
    """What ``--source`` names; ``tell`` prints an object as a line. Raises Problem for what cannot be played."""

    def __init__(self, where: str, settings: Settings, way: Way, tell: Tell) -> None:
        self.where, self.settings, self.way, self.tell = where, settings, way, tell
        self.name = masked(where)
        self.kind = kind_of(where)
        self.state = "connecting" if self.kind not in ("file", "folder") else "opening"
        self.damages = 0
        self.reconnects = 0
        self.rate: Optional[float] = None
        if settings.loop and self.kind not in ("file", "folder"):
            raise Problem(USAGE, f"--loop is for files and folders, not for {self.name}")

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames until the source ends; raises Problem when it does not begin, or is lost for good."""
        if self.kind == "folder":
            return self._folder()
        return self._file() if self.kind == "file" else self._live()

    def _folder(self) -> Generator[Frame, None, None]:
        paths = listed(self.where, lambda error: self._damaged(str(error.filename), str(error.strerror)))
        if not paths:
            raise Problem(ENVIRONMENT, f"{self.where}: no picture or video in this folder")
        seen = -1
        while seen and (seen < 0 or self.settings.loop):
            seen = 0
            for path in paths:
                decoding = self._decoding(self._clip(path))
                for frame in decoding:
                    self.state = "playing"
                    yield frame
                if self.settings.realtime and decoding.clip.path and self.way.stop.wait(1 / PICTURES_A_SECOND):
                    raise Stopped
                seen += decoding.end.frames
                if not decoding.end.frames or not decoding.end.complete:
                    self._damaged(path, decoding.end.reason)

    def _file(self) -> Generator[Frame, None, None]:
        decoding = self._decoding(self._clip(self.where))
        for frame in decoding:
            self.rate, self.state = decoding.rate, "playing"
            yield frame
        if not decoding.end.frames or not decoding.end.complete:
            raise Problem(ENVIRONMENT, f"{self.where}: {decoding.end.reason}")

    def _live(self) -> Generator[Frame, None, None]:
        number = attempts = 0
        since: Optional[float] = None  # when the stream was lost
        while True:
            decoding = self._decoding(self._address(), number)
            for frame in self._paced(decoding):
                if since is not None:
                    self._connected(attempts, since)
                attempts, since, self.rate, self.state = 0, None, decoding.rate, "playing"
                yield frame
            end = decoding.end
            number += end.frames
            if end.complete:
                return
            if number == 0:
                raise Problem(ENVIRONMENT, f"{self.name}: {end.reason}")
            if end.frames:
                since, self.state = time.monotonic(), f"lost: {end.reason}"
                self.tell({"source": self.name, "event": "lost", "error": end.reason})
            if attempts == self.settings.retries:
                raise Problem(ENVIRONMENT, f"{self.name}: lost, and not back after {attempts} attempts")
            if self.way.stop.wait(pause(attempts)):
                raise Stopped
            attempts += 1

    def _paced(self, decoding: Decoding) -> Iterator[Frame]:
        """Yield the frames; those of a recording on a web server at its own speed, where that is asked. RTSP sees to it."""
        start = time.monotonic()
        for count, frame in enumerate(decoding):
            if self.settings.realtime and self.kind == "url" and decoding.duration and decoding.rate:
                start = frame.captured if count == 0 else start
                if self.way.stop.wait(max(0.0, start + count / decoding.rate - time.monotonic())):
                    raise Stopped
                frame = frame._replace(captured=time.monotonic())
            yield frame

    def _connected(self, attempts: int, since: float) -> None:
        self.reconnects += 1
        away = round(time.monotonic() - since, 3)
        self.tell({"source": self.name, "event": "connected", "attempts": attempts, "away_s": away})

    def _decoding(self, clip: Clip, number: int = 0) -> Decoding:
        return Decoding(clip, self.way, number, self._damaged)

    def _damaged(self, name: str, reason: str) -> None:
        self.damages += 1
        if self.kind in ("file", "folder"):  # over a network, packets are lost: that is no fault of the source
            self.tell({"source": name, "error": reason})

    def _clip(self, path: str) -> Clip:
        alone = self.kind == "file"
        if path.lower().endswith(PICTURES):
            # Read by what is in it, not by its name: in a name, %d would mean a row of files.
            return Clip(path, literal(path), ["-noautorotate"], "pipe:0", path)
        label = "frame {}" if alone else literal(path) + " frame {}"
        options = ["-re"] if self.settings.realtime else []
        options += ["-stream_loop", "-1"] if self.settings.loop and alone else []
        return Clip(path, label, [*options, *self.settings.input_options], "file:" + path)

    def _address(self) -> Clip:
        options = {"device": ["-f", "v4l2"], "rtsp": ["-rtsp_transport", "tcp"]}.get(self.kind, [])
        if self.settings.realtime:
            # Frames decoded side by side come out late by as many cores. Not "-fflags nobuffer": it throws away the key frame
            # that the stream was recognised by, and where the next comes ten seconds later, so does the first picture.
            options = [*options, "-thread_type", "slice"]
        return Clip(self.name, "frame {}", [*options, *self.settings.input_options], self.where, live=True)


def kind_of(where: str) -> str:
    """Return rtsp, url, device, folder or file; raises Problem for what is not there."""
    scheme = re.match(r"^([A-Za-z][A-Za-z0-9+.-]*)://", where)
    if scheme:
        return "rtsp" if scheme.group(1).lower() in ("rtsp", "rtsps") else "url"
    try:
        mode = os.stat(where).st_mode
    except OSError as error:
        raise Problem(ENVIRONMENT, f"{where}: {error.strerror}") from None
    if not os.access(where, os.R_OK):
        raise Problem(ENVIRONMENT, f"{where}: Permission denied")
    if stat.S_ISCHR(mode):
        return "device"
    return "folder" if stat.S_ISDIR(mode) else "file"


def literal(path: str) -> str:
    """Return a path as a part of a format."""
    return path.replace("{", "{{").replace("}", "}}")


def listed(folder: str, unreadable: Callable[[OSError], None]) -> List[str]:
    """Return the pictures and videos under a folder, sorted by path; ``unreadable`` is told where it cannot look."""
    found = []
    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        found += [os.path.join(place, name) for name in names if name.lower().endswith(PICTURES + VIDEOS)]
    return sorted(found)


def pause(attempts: int) -> float:
    """Return the seconds to wait after so many attempts in vain, however long it is."""
    return min(FIRST_WAIT_SECONDS * (1 << min(attempts, 6)), LONGEST_WAIT_SECONDS)
