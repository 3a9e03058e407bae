"""Frames through the runner: what waits, what is late and left out, and each frame's own line back."""

import collections
import json
import subprocess
import threading
import time
from contextlib import closing
from typing import Any, Callable, Deque, Dict, List, Optional

from ffmpeg import widen, write_all
from frames import Frame
from problem import ENVIRONMENT, Problem, Stopped
from source import Source
from tally import Tally

TURN_SECONDS = 0.1
WAITING = 2
SECONDS_TO_END = 5.0

Take = Callable[[Frame, Dict[str, Any]], None]


class Inbox:
    """Frames that wait for the runner: a few, for which the source waits; in real time only the latest."""

    def __init__(self, realtime: bool, tally: Tally, stop: threading.Event) -> None:
        self.realtime, self.tally, self.stop = realtime, tally, stop
        self.turn = threading.Condition()
        self.waiting: Deque[Frame] = collections.deque()
        self.closed = False

    def put(self, frame: Frame) -> None:
        """Take a frame; raises Stopped when the run ends meanwhile."""
        with self.turn:
            self.tally.frames += 1
            if self.realtime and self.waiting:
                self.tally.dropped += len(self.waiting)
                self.waiting.clear()
            while len(self.waiting) >= WAITING:
                self.turn.wait(TURN_SECONDS)
                if self.stop.is_set():
                    raise Stopped
            self.waiting.append(frame)
            self.turn.notify_all()

    def get(self) -> Optional[Frame]:
        """Return the next frame, None when there will be no more."""
        with self.turn:
            while not self.waiting and not self.closed:
                self.turn.wait(TURN_SECONDS)
            if self.stop.is_set() or not self.waiting:
                return None
            frame = self.waiting.popleft()
            self.turn.notify_all()
            return frame

    def close(self) -> None:
        """Say that there will be no more."""
        with self.turn:
            self.closed = True
            self.turn.notify_all()


class Pipeline:
    """One run: a thread takes frames from the source, one feeds the runner, the caller's takes the results."""

    def __init__(self, command: List[str], source: Source, realtime: bool, tally: Tally, stop: threading.Event) -> None:
        self.source, self.tally, self.stop = source, tally, stop
        self.inbox = Inbox(realtime, tally, stop)
        # In real time a frame is taken when the runner is free; else the next one is on its way meanwhile.
        self.room = threading.Semaphore(1 if realtime else WAITING)
        self.sent: Deque[Frame] = collections.deque()
        self.wrong: List[BaseException] = []
        self.fed = False
        try:
            runner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            raise Problem(ENVIRONMENT, f"{command[0]} cannot be started: {error.strerror}") from None
        assert runner.stdin is not None and runner.stdout is not None
        self.runner, self.input, self.output = runner, runner.stdin, runner.stdout
        widen(self.input)

    def run(self, take: Take) -> int:
        """Call ``take`` with each frame and its line; return the runner's exit code.

        Raises what the source raised, and Problem where the runner ended before it had answered every frame.
        """
        threads = [threading.Thread(target=target, daemon=True) for target in (self._pump, self._feed)]
        for thread in threads:
            thread.start()
        try:
            for raw in self.output:
                frame = self.sent.popleft()
                line = {**json.loads(raw.decode("utf-8")), "source": frame.source}
                now = time.monotonic()
                self.tally.result(line, frame.captured, now)
                line["size"] = [frame.width, frame.height]
                line["capture_to_result_ms"] = round((now - frame.captured) * 1e3, 3)
                take(frame, line)
                self.room.release()
        finally:
            stopped = self.stop.is_set()
            self.stop.set()
            code = self._end(threads)
        for error in self.wrong:
            raise error
        return self._told(code, stopped)

    def _pump(self) -> None:
        try:
            with closing(self.source.frames()) as frames:
                for frame in frames:
                    self.inbox.put(frame)
        except Stopped:
            pass
        except BaseException as error:  # raised again where it can be told
            self.wrong.append(error)
        finally:
            self.inbox.close()

    def _feed(self) -> None:
        descriptor = self.input.fileno()
        try:
            while True:
                while not self.room.acquire(timeout=TURN_SECONDS):
                    if self.stop.is_set():
                        return
                frame = self.inbox.get()
                if frame is None:
                    self.fed = not self.stop.is_set()
                    return
                self.sent.append(frame)
                write_all(descriptor, memoryview(frame.data))
        except BrokenPipeError:
            pass  # the runner has ended, and so has its output: run() stops the rest and tells why
        except BaseException as error:  # raised again where it can be told
            self.wrong.append(error)
            self.stop.set()
        finally:
            self.input.close()

    def _end(self, threads: List[threading.Thread]) -> int:
        late = threading.Timer(SECONDS_TO_END, self.runner.kill)
        late.start()
        try:
            self.output.read()
            for thread in threads:
                thread.join()
            return self.runner.wait()
        finally:
            late.cancel()

    def _told(self, code: int, stopped: bool) -> int:
        if code < 0 and not stopped:
            raise Problem(ENVIRONMENT, f"edgec-run was ended by signal {-code}")
        # Frames that it could not take have lines of their own; any other code ended the run.
        told = self.fed and not self.sent and self.tally.errors > 0
        if code > 0 and not stopped and not told:
            raise Problem(code, f"edgec-run ended with exit code {code}")
        return max(code, 0)
