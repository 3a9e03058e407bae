"""One lowering in a process of its own: a Plan goes in; model.pte, golden vectors and lowered.json come out."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.lowered import Boundary, Lowered, Tensor
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import plugin
from edgec.runtime import process
from edgec.runtime.inference import Answers, answers, batch_size, runtime_answers
from edgec.runtime.libraries import unavailable_kernels
from edgec.runtime.program import ProgramFacts, read_program
from edgec.runtime.session import Session
from edgec.stages.compare import compare
from edgec.stages.evaluate import Answered, evaluate, golden, parity_samples, write_evaluation
from edgec.stages.load import Loaded, load, refuse_changed
from edgec.stages.lower import Lowering, lower, refuse_unavailable
from edgec.stages.quantize import export, quantize

TRIAL = Limit(sqnr=0.0, relative_error=2.0, agreement=0.0)
"""Still nearer to the model than to silence: with random weights, int8 MobileNetV3 came to 8 dB, EfficientNet to 3."""

PACKAGES = ("torch", "torchvision", "torchao", "executorch")

Progress = Callable[[str], None]


def run(
    plan: Plan, project: Project, folder: Path, progress: Progress | None = None, stop: threading.Event | None = None
) -> Lowered:
    """Lower ``plan`` into ``folder`` (made if need be) in a child process, and return what its lowered.json says.

    ``progress`` is called with one line a finished step. Raises the child's Failure; Failure ``job-died`` or
    ``job-killed`` when it ended without an answer; RuntimeError with the child's traceback for a bug. The child, and
    what it started, is killed when this is interrupted, and dies with this process. Where this runs beside a main
    thread that Ctrl-C interrupts, setting ``stop`` kills it and raises CancelledError here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = {"plan": to_json(plan), "project": _where(project), "folder": str(folder.resolve())}
    with tempfile.TemporaryFile() as words:
        child = _start(folder, words)
        with process.killed_at_end(child, stop):
            final = _relay(child, request, progress or (lambda line: None))
        if stop and stop.is_set():
            raise CancelledError
        if final is None:
            words.seek(0)
            raise _died(child.returncode, words.read().decode(errors="replace"))
    if "failure" in final:
        raise Failure(*(from_json(Diagnostic, item) for item in final["failure"]))
    if "bug" in final:
        raise RuntimeError(f"the lowering job failed:\n{final['bug']}")
    return read_lowered(folder)


def read_lowered(folder: Path) -> Lowered:
    """Return the Lowered of a job's folder. Raises OSError or ValueError when there is none or it is damaged."""
    return from_json(Lowered, json.loads((folder / "lowered.json").read_text(encoding="utf-8")))


def _where(project: Project) -> dict[str, Json]:
    return {"root": str(project.root), "folder": str(project.folder), "offline": project.offline}


def _start(folder: Path, words: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the child in ``folder`` and in a session of its own, to be killed whole."""
    return subprocess.Popen(
        process.command("edgec.job"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        cwd=folder,
        env=process.environment(),
        start_new_session=True,
    )


def _relay(child: subprocess.Popen[bytes], request: dict[str, Json], progress: Progress) -> dict[str, Json] | None:
    """Send the request, pass on progress, and return the last message; None when the child ends without one."""
    assert child.stdin and child.stdout
    with child.stdin as stdin, contextlib.suppress(BrokenPipeError):
        stdin.write(json.dumps(request).encode())
    final = None
    with child.stdout as stdout:
        for line in stdout:
            message: dict[str, Json] = json.loads(line)
            if "progress" in message:
                progress(message["progress"])
            else:
                final = message
    child.wait()
    return final


def _died(returncode: int, words: str) -> Failure:
    ending = process.how_it_ended(returncode)
    last = (words.strip().splitlines() or [""])[-1]
    message = f"the lowering process {ending}" + (f": {last}" if last else "")
    if returncode == -9:
        hint = "the kernel kills the largest process when memory runs out: free memory, or use --jobs 1"
        return Failure(Diagnostic(code="job-killed", message=message, hint=hint))
    return Failure(Diagnostic(code="job-died", message=message))


def main(parent: int) -> None:
    """Serve one request from stdin; JSON lines go to what stdout was, what libraries print to stderr."""
    process.die_with_parent(parent)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(message: dict[str, Json]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    request = json.load(sys.stdin)
    where = request["project"]
    project = Project(root=Path(where["root"]), folder=Path(where["folder"]), offline=where["offline"])
    try:
        plan = from_json(Plan, request["plan"])
        lowered = lowering(plan, project, Path(request["folder"]), lambda line: tell({"progress": line}))
        tell({"lowered": lowered.pte_sha256})
    except Failure as failure:
        tell({"failure": [to_json(item) for item in failure.diagnostics]})
    except MemoryError:
        tell({"failure": [to_json(Diagnostic(code="job-killed", message="the lowering process ran out of memory"))]})
    except OSError as error:
        tell(_environment(error))
    # Whatever else gets here is edgec's own bug; the parent shows the traceback.
    except Exception:
        tell({"bug": traceback.format_exc()})


def _environment(error: OSError) -> dict[str, Json]:
    """What the machine refused is the user's to mend; any other OSError is a bug."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not full and error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO):
        return {"bug": traceback.format_exc()}
    code = "disk-full" if full else "not-writable"
    return {"failure": [to_json(Diagnostic(code=code, message=str(error)))]}


def lowering(plan: Plan, project: Project, folder: Path, progress: Progress) -> Lowered:
    """Load → export → quantize → lower → compare; the artifact runs in a process of its own. Writes into ``folder``.

    Raises Failure of any step; ``digest-mismatch`` where an input file is no longer what the plan was made from.
    """
    inputs, project = plan.inputs, replace(project, files=plan.files)
    # Its imports run beside the lowering.
    with Session(folder) as session:
        with _timed("load", progress):
            loaded = load(plan, project)
            parity, origin = parity_samples(inputs, loaded.evaluation, loaded.calibration)
        with _timed("export", progress):
            program = export(plan, loaded.model, loaded.example, loaded.dynamic, project.root)
        with _timed("compare eager with exported", progress):
            size, graph = batch_size(loaded.model, parity, inputs), program.module(check_guards=False)
            graph_size = batch_size(graph, parity, inputs)
            points = {"eager": answers(loaded.model, parity, inputs, size)}
            points["exported"] = answers(graph, parity, inputs, graph_size)
            del graph
        with _timed("quantize", progress):
            quantized = quantize(plan, program, loaded.dynamic, loaded.calibration, graph_size)
        if quantized is not program:
            with _timed("compare exported with quantized", progress):
                points["quantized"] = answers(quantized.module(check_guards=False), parity, inputs, graph_size)
        with _timed("lower", progress):
            built = lower(plan, quantized)
            facts = read_program(built.data)
            if facts.kernels:
                refuse_unavailable(tuple(facts.kernels), unavailable_kernels(facts.kernels))
        with _timed("compare with the artifact in a fresh process", progress):
            digest = _write(folder / "model.pte", built.data)
            session.load(folder / "model.pte", digest, any("quantized" in name for name in facts.kernels))
            points["pte"] = runtime_answers(session.run, parity, inputs)
            boundaries = _judged(plan, points, parity)
        with _timed("evaluate", progress):
            answered = evaluate(loaded.model, session.run, loaded.evaluation, inputs, size)
            boundaries += _judged_whole(plan, answered)
    refuse_changed(project)  # every input has been read by now
    evidence = _Evidence(answered=answered, boundaries=boundaries, parity=parity, found=points["pte"], origin=origin)
    return _record(plan, loaded, folder, built, facts, evidence)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    answered: Answered
    boundaries: tuple[Boundary, ...]
    parity: list[Sample]
    found: Answers
    origin: str


def _judged(plan: Plan, points: dict[str, Answers], parity: Sequence[Sample]) -> tuple[Boundary, ...]:
    return compare(points, [sample.id for sample in parity], _limits(plan), _decides(plan))


def _judged_whole(plan: Plan, answered: Answered) -> tuple[Boundary, ...]:
    """Hold the artifact against eager over the whole evaluation set, where there is one."""
    if not answered.ids:
        return ()
    limits = {"pte": _limits(plan)["total"]}
    points = {"eager": answered.reference, "pte": answered.outputs}
    return compare(points, answered.ids, limits, _decides(plan))


def _limits(plan: Plan) -> Mapping[str, Limit]:
    """The recipe's limits; TRIAL for random weights, which amplify every rounding and are not for release."""
    limits: Mapping[str, Limit] = plugin("recipes", plan.recipe.name).LIMITS
    if plan.release:
        return limits
    return {name: TRIAL if name != "exported" else limit for name, limit in limits.items()}


def _decides(plan: Plan) -> bool:
    """Whether the task takes the arg-max of the first output."""
    return "top1" in plugin("tasks", plan.task.name).METRICS


def _record(
    plan: Plan, loaded: Loaded, folder: Path, built: Lowering, facts: ProgramFacts, evidence: _Evidence
) -> Lowered:
    """Write answers, golden vectors and lowered.json; return the last."""
    outputs = tuple(replace(item, name=name) for name, item in zip(loaded.outputs, facts.outputs, strict=True))
    shapes = [tuple(axis.maximum for axis in item.shape) for item in plan.inputs]
    vectors, largest = golden(folder, evidence.parity, evidence.found, plan.inputs, outputs)
    lowered = Lowered(
        pte_sha256=hashlib.sha256(built.data).hexdigest(),
        pte_bytes=len(built.data),
        inputs=tuple(
            Tensor(name=item.name, dtype=item.dtype, shape=shape)
            for item, shape in zip(plan.inputs, shapes, strict=True)
        ),
        outputs=outputs,
        kernels=tuple(facts.kernels),
        backends=facts.backends,
        operators=built.operators,
        memory=facts.memory,
        boundaries=evidence.boundaries,
        golden=vectors,
        tolerance=plugin("recipes", plan.recipe.name).TOLERANCE,
        output_range=largest,
        evaluation=write_evaluation(folder, evidence.answered) if evidence.answered.ids else None,
        resolved={"compared on": evidence.origin},
        parameters=loaded.parameters,
        versions={name: found for name in PACKAGES if (found := _version(name))},
        weights_sha256=loaded.weights_sha256,
        weights_file_sha256=loaded.weights_file_sha256,
    )
    text = json.dumps(to_json(lowered), indent=1, sort_keys=True, allow_nan=False)
    (folder / "lowered.json").write_text(text + "\n", encoding="utf-8")
    return lowered


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@contextlib.contextmanager
def _timed(step: str, progress: Progress) -> Iterator[None]:
    start = time.perf_counter()
    yield
    progress(f"{step} {time.perf_counter() - start:.1f} s")
