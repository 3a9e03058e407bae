"""Processes that begin where another has finished importing: its forks, to which strace is attached before they go on.

A sweep over every system call of a command starts it hundreds of times, and most of each start is the same imports. A fork
stops itself once it is set up, so that strace counts the command's own calls and no other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SERVER = """
import ctypes, json, os, signal, sys
{imports}
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER, any: strace is not its parent
    for number, name in enumerate((os.devnull, asked["out"], asked["err"])):
        os.dup2(os.open(name, os.O_WRONLY if number else os.O_RDONLY), number)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    os.kill(os.getpid(), signal.SIGSTOP)
    sys.exit(main(asked["arguments"]))
"""


class Forked:
    """A process that is stopped. ``end`` lets it go and returns what it wrote, and its exit code, below 0 a signal's."""

    def __init__(self, warm: Warm, child: int, folder: Path, strace: Sequence[str]) -> None:
        self.warm, self.child, self.folder = warm, child, folder
        while not self._said("State:\tT"):
            time.sleep(0.001)
        self.tracer = subprocess.Popen([*strace, "-p", str(child)]) if strace else None
        while self.tracer and self._said("TracerPid:\t0\n"):
            assert self.tracer.poll() is None, "strace could not attach"
            time.sleep(0.005)

    def _said(self, line: str) -> bool:
        return line in Path(f"/proc/{self.child}/status").read_text()

    def end(self) -> tuple[str, str, int]:
        os.kill(self.child, signal.SIGCONT)
        code = int(self.warm.ask(wait=self.child))
        if self.tracer:
            self.tracer.wait(30)
        return (self.folder / "stdout").read_text(), (self.folder / "stderr").read_text(), code


class Warm:
    """A process that has run ``imports``, which bring ``main``, and forks itself when it is asked to.

    Temporary folders that killed forks leave behind lie in one of its own, which goes with it.
    """

    def __init__(self, imports: str) -> None:
        self.scratch = tempfile.TemporaryDirectory(prefix="edgec-forked-")
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", SERVER.format(imports=imports)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, **words: Any) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def start(
        self, arguments: Sequence[object], environment: Mapping[str, str], folder: Path, strace: Sequence[str] = ()
    ) -> Forked:
        """Fork, and attach ``strace`` (its command without the process) where it is given; files are left in ``folder``."""
        for name in ("stdout", "stderr"):
            (folder / name).write_bytes(b"")
        places = {"out": str(folder / "stdout"), "err": str(folder / "stderr")}
        words = [str(argument) for argument in arguments]
        surroundings = {**environment, "TMPDIR": self.scratch.name}
        child = int(self.ask(arguments=words, environment=surroundings, folder=str(folder), **places))
        return Forked(self, child, folder, strace)

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.scratch.cleanup()
