"""Several lowerings from one process: it imports the compiler, opens a model that they share, and forks for each Plan.

What comes out is what jobs of their own give. Loading, eager's answers and the export are done once where the Plans are of
one model; of different models only the imports are. A fork has its own memory, its own session for the artifact and its own
last words, so that one that fails or is killed takes no other with it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from io import BufferedRWPair
from pathlib import Path
from typing import TYPE_CHECKING

from edgec import job
from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic
from edgec.runtime import guard, process

if TYPE_CHECKING:
    from edgec.opening import Opened

POLL_MS = 50
ENDING_SECONDS = 5.0
"""How long what is told to end may take to do so before it is left to itself or killed."""
HUNG_UP = getattr(select, "POLLRDHUP", select.POLLHUP)


class SharedJob:
    """The parent's side: what plans are lowered from, several at a time, until it is closed."""

    def __init__(self, plans: Sequence[Plan], project: Project, progress: job.Progress, stop: threading.Event) -> None:
        """Open the model of ``plans``, all of one reference key; of none, only import the compiler.

        Raises as ``job.run`` does.
        """
        self._stop, self._serves = stop, False
        self._control, theirs = socket.socketpair()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._folder = tempfile.TemporaryDirectory(prefix="edgec-opened-")
        with theirs:
            self._child = job.start(Path(self._folder.name), self._words, (theirs.fileno(),), "edgec.shared_job")
            number = theirs.fileno()
            request = {"plans": [to_json(plan) for plan in plans], "project": job.where(project), "control": number}
        try:
            self._open(request, progress)
        except BaseException:
            self.close()
            raise

    def _open(self, request: job.Message, progress: job.Progress) -> None:
        assert self._child.stdin and self._child.stdout
        with cut_when(self._stop, lambda: process.kill_group(self._child)):
            with self._child.stdin as stdin, contextlib.suppress(BrokenPipeError):
                stdin.write(json.dumps(request).encode())
            with self._child.stdout as stdout:
                final = job.relayed(stdout, progress)
        if self._stop.is_set():
            raise CancelledError
        if final is None or "progress" in final:
            self._child.wait()
        job.settle(final, self._child.returncode or 0, self._words)
        self._serves = True

    @property
    def alive(self) -> bool:
        """Whether it can lower."""
        return self._child.poll() is None

    def lower(
        self, plan: Plan, project: Project, folder: Path, progress: job.Progress, stop: threading.Event | None = None
    ) -> Lowered:
        """Lower ``plan`` into ``folder`` (made if need be) in a fork of the process. Raises as ``job.run`` does.

        ``stop`` ends this one only.
        """
        folder.mkdir(parents=True, exist_ok=True)
        stop = stop or self._stop
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryFile() as words, theirs:
            with contextlib.suppress(BrokenPipeError):
                socket.send_fds(self._control, [b"+"], [theirs.fileno(), words.fileno()])
            theirs.close()
            over = threading.Event()
            with cut_when(stop, lambda: _hang_up(ours, over)), ours.makefile("rwb") as stream:
                request = {"plan": to_json(plan), "project": job.where(project), "folder": str(folder.resolve())}
                with contextlib.suppress(OSError):
                    stream.write(json.dumps(request).encode() + b"\n")
                    stream.flush()
                messages = _Messages(stream)
                try:
                    final = job.relayed(messages, progress)
                finally:
                    over.set()
            if stop.is_set():
                raise CancelledError
            if messages.returncode is None:  # the process that it was forked from is gone, and it with that
                job.settle(final, self._ended(ENDING_SECONDS), self._words)
            else:
                job.settle(final, messages.returncode, words)
        return job.read_lowered(folder)

    def _ended(self, seconds: float) -> int:
        """Return the process's exit code once it has ended; it is killed where it takes longer than ``seconds``."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill_group(self._child)
            return self._child.wait()

    def close(self) -> None:
        """End the process and its forks, with all that they started, and forget the model."""
        self._control.close()  # which it hears of, once it serves
        self._ended(ENDING_SECONDS if self._serves else 0)
        for stream in (self._child.stdin, self._child.stdout, self._words):
            if stream:
                stream.close()
        self._folder.cleanup()


class _Messages:
    """The lines of one fork; the last, from the process that it was forked from, says how it ended."""

    def __init__(self, stream: BufferedRWPair) -> None:
        self._stream = stream
        self.returncode: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        with contextlib.suppress(ConnectionError):
            for line in self._stream:
                if line.startswith(b"ended "):
                    self.returncode = int(line.split()[1])
                    return  # what it started may hold the connection still
                yield line


def _hang_up(connection: socket.socket, over: threading.Event) -> None:
    """Have the fork at the other end killed, and leave the reading to hear of its end, if that comes soon."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        if not over.wait(ENDING_SECONDS):
            connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cut_when(stop: threading.Event, cut: Callable[[], None]) -> Iterator[None]:
    """Inside it ``cut`` is called as soon as ``stop`` is set."""
    left = threading.Event()

    def watch() -> None:
        while not left.wait(0.1):
            if stop.is_set():
                cut()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        watcher.join()


def main(parent: int) -> None:
    """Open the model that stdin names, if any, tell so on what stdout was, then fork for each connection that comes."""
    import edgec.lowering  # noqa: F401 (each fork would import it anew)
    from edgec.opening import in_common
    from edgec.upstream.imports import import_compiler

    guard.die_with_parent(parent)
    faulthandler.enable()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tell = job.teller(channel)
    request = json.load(sys.stdin)
    ready: list[Opened | None] = []

    def work() -> None:
        import_compiler()
        plans = [from_json(Plan, item) for item in request["plans"]]
        project = job.project_at(request["project"])
        ready.append(in_common(plans, project, lambda line: tell({"progress": line})) if plans else None)
        tell({"opened": True})

    job.told(work, tell)
    channel.close()
    os.dup2(2, 1)
    if ready:
        with socket.socket(fileno=request["control"]) as control:
            _serve(control, lambda stream: _forked(stream, ready[0]))
    os._exit(0)  # what was imported has nothing to put in order


def _serve(control: socket.socket, work: Callable[[BufferedRWPair], None]) -> None:
    """Fork for each connection that comes over ``control``, until that is closed; a fork whose caller hangs up is killed.

    With each fork's end, however it comes, all that it started ends.
    """
    forks: dict[int, socket.socket] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    closed = False
    while forks or not closed:
        events = dict(poll.poll(POLL_MS))
        if control.fileno() in events and not closed:
            closed = not _begun(control, forks, poll, work)
            if closed:
                poll.unregister(control)
        for pid, connection in list(forks.items()):
            if closed or connection.fileno() in events:
                _kill(pid)
            code = _ended(pid)
            if code is not None:
                with contextlib.suppress(OSError):
                    connection.sendall(b"ended %d\n" % code)
                poll.unregister(connection)
                forks.pop(pid).close()


def _begun(
    control: socket.socket, forks: dict[int, socket.socket], poll: select.poll, work: Callable[[BufferedRWPair], None]
) -> bool:
    """Fork for the connection that has come; return False where none will come any more."""
    data, numbers, _, _ = socket.recv_fds(control, 1, 2)
    if not data:
        return False
    connection = socket.socket(fileno=numbers[0])
    others, server = [control, *forks.values()], os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(_refused(error)).encode() + b"\nended 1\n")
        connection.close()
    else:
        if not pid:
            _fork(server, connection, numbers[1], others, work)
        forks[pid] = connection
        poll.register(connection, HUNG_UP)
    os.close(numbers[1])
    return True


def _refused(error: OSError) -> job.Message:
    message = f"no process could be started for the lowering: {error}"
    hint = "free memory or processes (ulimit -u), or use --jobs 1"
    return {"failure": [to_json(Diagnostic(code="job-killed", message=message, hint=hint))]}


def _ended(pid: int) -> int | None:
    """Return how a fork ended, as ``subprocess`` would say it, when what it started is killed, too; None while it runs."""
    if hasattr(os, "waitid"):  # not everywhere on Apple's systems
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        _kill(pid)  # its group's number is its own until it is waited for
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _kill(pid: int) -> None:
    """Kill a fork and all that it started."""
    for kill in (os.killpg, os.kill):  # it may not lead its group yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
            return


def _fork(
    server: int,
    connection: socket.socket,
    words: int,
    others: Sequence[socket.socket],
    work: Callable[[BufferedRWPair], None],
) -> None:
    """Be the fork: lead a session of its own, write last words to ``words``, answer on ``connection``, and never return."""
    code = 1
    try:
        os.setsid()
        guard.die_with_parent(server)
        for other in others:
            other.close()
        os.dup2(words, 1)
        os.dup2(words, 2)
        with connection.makefile("rwb") as stream:
            work(stream)
        code = 0
    finally:
        for printed in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # a full disk
                printed.flush()
        os._exit(code)


def _forked(stream: BufferedRWPair, model: Opened | None) -> None:
    """Serve the one request of a connection."""
    from edgec.lowering import lowering

    request = json.loads(stream.readline())

    def tell(message: job.Message) -> None:
        stream.write(json.dumps(message).encode() + b"\n")
        stream.flush()

    def work() -> None:
        folder = Path(request["folder"])
        os.chdir(folder)
        plan, project = from_json(Plan, request["plan"]), job.project_at(request["project"])
        lowered = lowering(plan, project, folder, lambda line: tell({"progress": line}), model)
        tell({"lowered": lowered.pte_sha256})

    job.told(work, tell)
