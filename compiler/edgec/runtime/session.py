"""A ``.pte`` at work in a process of its own: hash-checked, loaded by the ExecuTorch runtime, fed through a pipe."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from edgec.diagnostics import Diagnostic, Failure
from edgec.runtime import guard, process, wire
from edgec.upstream.imports import import_runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray


LOGGED = re.compile(r"^\[(?!cpuinfo)[\w./]+:\d+\]")
"""How ExecuTorch's log begins a line: ``[XNNExecutor.cpp:169]``; what cpuinfo misses on a processor is no reason."""


class Session:
    """One fresh process with the runtime imported. It starts at once and in the background; ``load`` waits for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start()

    def _start(self) -> None:
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the session)
        self._process = subprocess.Popen(
            process.command("edgec.runtime.session"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            cwd=self._folder,
            env=process.environment(),
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def restart(self) -> None:
        """End the process, which may be dead, and start another in its stead."""
        self._end()
        self._start()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._words):
            if stream:
                stream.close()

    def load(self, path: Path, sha256: str, quantized: bool) -> None:
        """Load ``path`` if it has that sha256; ``quantized`` brings the quantized kernel library with it.

        Raises Failure ``program-not-run`` with the runtime's words, ``digest-mismatch`` for other bytes.
        """
        self._ask({"load": str(path), "sha256": sha256, "quantized": quantized}, ())

    def run(self, inputs: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """Return the outputs for one set of inputs. Raises Failure ``program-not-run``."""
        return self._ask({"run": True}, inputs)

    def _ask(self, message: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        assert self._process.stdin and self._process.stdout
        told = os.fstat(self._words.fileno()).st_size
        try:
            wire.send(self._process.stdin, message, arrays)
            answer, outputs = wire.receive(self._process.stdout)
        except (BrokenPipeError, EOFError):
            raise _not_run(f"the process that runs the artifact {self._ending()}") from None
        if "error" in answer:
            raise Failure(Diagnostic(code=answer["code"], message=answer["error"], hint=self._told(told)))
        return outputs

    def _told(self, start: int) -> str | None:
        """What the runtime logged of its failure since then, from the inside out: the delegate or kernel is named there."""
        text = os.pread(self._words.fileno(), 1 << 16, start).decode(errors="replace")
        words = [LOGGED.sub("", line).strip() for line in text.splitlines() if LOGGED.match(line)]
        found = [line for line in words if "rror" in line or "ailed" in line]
        return f"the runtime says: {'; '.join(found[-3:])}" if found else None

    def _ending(self) -> str:
        ending = process.how_it_ended(self._process.wait())
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        return f"{ending}: {lines[-1]}" if lines else ending


def _not_run(message: str) -> Failure:
    return Failure(Diagnostic(code="program-not-run", message=message))


def main(parent: int) -> None:
    """Answer requests on stdin until it ends; anything that libraries print goes to stderr."""
    guard.die_with_parent(parent)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer ``load`` and ``run`` requests; whatever goes wrong inside one is its answer."""
    runtime, program, method = import_runtime().Runtime.get(), None, None
    while True:
        try:
            request, arrays = wire.receive(requests)
        except EOFError:
            return
        try:
            if "load" in request:
                program, method = _load(runtime, request)
                outputs: list[Any] = []
            else:
                outputs = _run(method, arrays)
        except Failure as failure:
            first = failure.diagnostics[0]
            wire.send(answers, {"error": first.message, "code": first.code})
            continue
        # The runtime raises RuntimeError, ValueError or TypeError by what it dislikes; its words are the answer.
        except Exception as error:
            doing = "load" if "load" in request else "run"
            words = f"the ExecuTorch runtime does not {doing} the artifact: {error}"
            wire.send(answers, {"error": words, "code": "program-not-run"})
            continue
        wire.send(answers, {}, outputs)
    del program  # methods point into it


def _load(runtime: Any, request: dict[str, Any]) -> tuple[Any, Any]:
    data = Path(request["load"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != request["sha256"]:
        name = Path(request["load"]).name
        raise Failure(Diagnostic(code="digest-mismatch", message=f"{name} changed between lowering and loading"))
    if request["quantized"]:
        import executorch.kernels.quantized  # noqa: F401 (registers its kernels)
    program = runtime.load_program(data)
    return program, program.load_method("forward")


def _run(method: Any, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    import numpy as np
    import torch

    inputs = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    # These lie in the program's own arena; they are sent before the next inference overwrites them.
    return [output.numpy() for output in method.execute(inputs)]
