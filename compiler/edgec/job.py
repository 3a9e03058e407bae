"""One lowering in a process of its own: a Plan goes in; model.pte, golden vectors and lowered.json come out."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import IO, Literal

from edgec import last_words
from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure
from edgec.exhaustion import disk_full, out_of_memory
from edgec.runtime import guard, process

Progress = Callable[[str], None]
Message = dict[str, Json]
Step = Literal["lower", "profile"]


def run(
    plan: Plan,
    project: Project,
    folder: Path,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    memory: int | None = None,
) -> Lowered:
    """Lower ``plan`` into ``folder`` (made if need be) in a child process, and return what its lowered.json says.

    ``progress`` is called with one line a finished step. Raises the child's Failure; Failure ``job-died`` or
    ``job-killed`` when it ended without an answer; RuntimeError with the child's traceback for a bug. The child, and
    what it started, is killed when this is interrupted, and dies with this process. Where this runs beside a main
    thread that Ctrl-C interrupts, setting ``stop`` kills it and raises CancelledError here. ``memory`` are the bytes that
    it, and what it starts, may each map: what needs more is Failure ``job-killed``.
    """
    _ask("lower", plan, project, folder, progress, stop, memory)
    return read_lowered(folder)


def profile(plan: Plan, project: Project, folder: Path, progress: Progress | None = None) -> Profile:
    """Count what the model of ``plan`` computes, in a child process, and return it. Raises as ``run``."""
    return from_json(Profile, _ask("profile", plan, project, folder, progress, None)["profile"])


def _ask(
    step: Step,
    plan: Plan,
    project: Project,
    folder: Path,
    progress: Progress | None,
    stop: threading.Event | None,
    memory: int | None = None,
) -> Message:
    """Have a child process do one step, and return its last message. Raises as ``run``."""
    folder.mkdir(parents=True, exist_ok=True)
    request: Message = {
        "step": step,
        "plan": to_json(plan),
        "project": where(project),
        "folder": str(folder.resolve()),
        "memory": memory,
    }
    with tempfile.TemporaryFile() as words:
        child = start(folder, words)
        with process.killed_at_end(child, stop):
            final = _relay(child, request, progress or (lambda line: None))
        if stop and stop.is_set():
            raise CancelledError
        settle(final, child.returncode, words)
    assert final is not None, "settle raises where there is no last message"
    return final


def settle(final: Message | None, returncode: int, words: IO[bytes]) -> None:
    """Raise what a child's last message tells of: its Failure, RuntimeError for a bug; without an answer, how it ended."""
    if final is None or "progress" in final:
        words.seek(0)
        raise _died(returncode, words.read().decode(errors="replace"), str(final["progress"]) if final else "")
    if "failure" in final:
        raise Failure(*(from_json(Diagnostic, item) for item in final["failure"]))
    if "bug" in final:
        raise RuntimeError(f"the lowering job failed:\n{final['bug']}")


def read_lowered(folder: Path) -> Lowered:
    """Return the Lowered of a job's folder. Raises OSError or ValueError when there is none or it is damaged."""
    return from_json(Lowered, json.loads((folder / "lowered.json").read_text(encoding="utf-8")))


def where(project: Project) -> Message:
    """Write down where a project is, for ``project_at``."""
    return {"root": str(project.root), "folder": str(project.folder), "offline": project.offline}


def start(folder: Path, words: IO[bytes], kept: Sequence[int] = (), module: str = "edgec.job") -> subprocess.Popen[bytes]:
    """Start the child in ``folder`` and in a session of its own, to be killed whole; it keeps the open files ``kept``."""
    return subprocess.Popen(
        process.command(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        cwd=folder,
        env=process.environment(),
        start_new_session=True,
        pass_fds=kept,
    )


def _relay(child: subprocess.Popen[bytes], request: Message, progress: Progress) -> Message | None:
    """Send the request, pass on progress, and return the last message; None when the child ends without a word."""
    assert child.stdin and child.stdout
    with child.stdin as stdin, contextlib.suppress(BrokenPipeError):
        stdin.write(json.dumps(request).encode())
    with child.stdout as stdout:
        final = relayed(stdout, progress)
    child.wait()
    return final


def relayed(lines: Iterable[bytes], progress: Progress) -> Message | None:
    """Pass on progress, and return the last message, which is progress where a child ends without an answer; or None."""
    message: Message | None = None
    for line in lines:
        message = json.loads(line)
        assert message is not None
        if "progress" in message:
            progress(message["progress"])
    return message


def _died(returncode: int, words: str, done: str) -> Failure:
    """What is told of a child by its last words, the line of Python that it was in, and the last progress that it made."""
    place = last_words.crashed_in(words)
    # Of a crash in native code, only what aborts says why; all else that stands there is of something before.
    told = last_words.told(words) if not place or returncode == -signal.SIGABRT else ""
    step = re.sub(r" [\d.]+ s$", "", done)
    when = f"after the step {step!r}" if step else "before its first step was done"
    message = f"the lowering process {process.how_it_ended(returncode)} {when}"
    message += "".join(f": {part}" for part in (place, told) if part)
    if returncode == -9:
        hint = "the kernel kills the largest process when memory runs out: free memory, or use --jobs 1"
        return Failure(Diagnostic(code="job-killed", message=message, hint=hint))
    return Failure(Diagnostic(code="job-died", message=message))


def main(parent: int) -> None:
    """Serve one request from stdin; JSON lines go to what stdout was, what libraries print to stderr."""
    from edgec.lowering import lowering  # the parent, which imports this module too, needs none of the stages
    from edgec.profiling import profiling
    from edgec.upstream.imports import import_compiler

    guard.die_with_parent(parent)
    faulthandler.enable()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tell = teller(channel)
    request = json.load(sys.stdin)

    def work() -> None:
        import_compiler()
        # After the imports: OpenBLAS and the loader abort, hang or fail in words of their own where memory is short.
        process.bound_memory(request["memory"])
        plan, project = from_json(Plan, request["plan"]), project_at(request["project"])
        if request["step"] == "profile":
            tell({"profile": to_json(profiling(plan, project))})
            return
        lowered = lowering(plan, project, Path(request["folder"]), lambda line: tell({"progress": line}))
        tell({"lowered": lowered.pte_sha256})

    told(work, tell)


def project_at(where: Message) -> Project:
    """Return the project that ``where`` wrote down."""
    return Project(root=Path(where["root"]), folder=Path(where["folder"]), offline=where["offline"])


def teller(channel: IO[str]) -> Callable[[Message], None]:
    """Return what writes a message as one line, at once."""

    def tell(message: Message) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    return tell


def told(work: Callable[[], None], tell: Callable[[Message], None]) -> None:
    """Do ``work``; what it raises is told as the last message."""
    try:
        work()
    except Failure as failure:
        tell({"failure": [to_json(item) for item in failure.diagnostics]})
    except Exception as error:
        tell(_ending(error))


def _ending(error: Exception) -> Message:
    """What is told of an error that is no Failure; what is neither the machine's nor memory's is edgec's own bug."""
    if out_of_memory(error):
        bound = f": {error}" if isinstance(error, process.OverBoundError) else ""
        message = f"the lowering process ran out of memory{bound}"
        hint = "free memory, or where --job-memory bounds it, give more"
        return {"failure": [to_json(Diagnostic(code="job-killed", message=message, hint=hint))]}
    if full := disk_full(error):
        return {"failure": [to_json(Diagnostic(code="disk-full", message=str(full)))]}
    return _environment(error) if isinstance(error, OSError) else {"bug": traceback.format_exc()}


def _environment(error: OSError) -> Message:
    """What the machine refused is the user's to mend; any other OSError is a bug."""
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO):
        return {"bug": traceback.format_exc()}
    return {"failure": [to_json(Diagnostic(code="not-writable", message=str(error)))]}
