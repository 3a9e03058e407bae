"""Jobs of a build on a `dask.distributed` cluster: a Plan goes in, the files of its lowering come back through the store."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgec import job
from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.cluster.calls import POLL_SECONDS, done, started
from edgec.cluster.questions import Questions
from edgec.cluster.store import store_at
from edgec.cluster.worker import conditions, serve
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.atomic import environment_errors, inside

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 10.0
LOST_SECONDS = 30.0
"""How long the scheduler may take to say which workers it has: one that is busy answers within a few."""

WAIT_SECONDS = 60.0
"""How long a build waits for a worker where there is none: one that was killed is started again by its nanny."""

ATTEMPTS = 4
"""How often a job is begun at most; a worker that was killed takes one of them with it."""


class Cluster(AbstractContextManager["Cluster"]):
    """A connection to a scheduler. ``memory`` are bytes that a job may take, None where the worker's own limit says it."""

    def __init__(self, address: str, store: str, memory: int | None, say: job.Progress, stop: threading.Event) -> None:
        self._address, self._memory, self._say, self._stop = address, memory, say, stop
        self._store = store_at(store)
        self._topic = f"edgec-{uuid.uuid4().hex}"
        self._progress: dict[str, job.Progress] = {}
        self._told: set[str] = set()
        self._client: Client = _connected(address)
        self._questions = Questions(self._client, stop)
        self._client.subscribe_topic(self._topic, self._heard)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take back every job that still runs: its worker kills it."""
        self._questions.close()
        self._client.close()

    @property
    def slots(self) -> int:
        """How many jobs the workers of now run at once."""
        return max(1, sum(int(threads) for threads in self._workers().values()))

    def run(self, plan: Plan, project: Project, folder: Path, progress: job.Progress) -> Lowered:
        """Lower ``plan`` on a worker and fetch what came out into ``folder``. Raises as ``job.run`` does.

        Also Failure ``no-worker`` where no worker may run it, ``store-not-shared`` where one does not see the store.
        """
        folder.mkdir(parents=True, exist_ok=True)
        answer: Json = {}
        absent: list[str] = []
        for _ in range(2):  # a blob that was found damaged, by the worker or here, is put once more
            self._put_inputs(plan, project)
            answer = self._asked(plan, project, progress)
            absent = answer.get("absent") or self._fetch(answer.get("files", {}), folder)
            if not absent:
                break
        if absent:
            raise self._not_shared(absent)
        if "failure" in answer:
            raise Failure(*(from_json(Diagnostic, item) for item in answer["failure"]))
        if "bug" in answer:
            raise RuntimeError(answer["bug"])
        return job.read_lowered(folder)

    def done(self, plan: Plan) -> None:
        """Nothing is kept open for a plan."""

    def _put_inputs(self, plan: Plan, project: Project) -> None:
        with environment_errors(f"put the inputs into the store {self._store}"):
            for name, sha256 in plan.files.items():
                self._store.put(project.root / name, sha256)

    def _fetch(self, files: Json, folder: Path) -> list[str]:
        """Fetch the results and return the names of those that the store does not hold, or held damaged."""
        absent = []
        with environment_errors(f"fetch the results from the store {self._store}"):
            for name, sha256 in files.items():
                path = inside(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)  # of an earlier time around
                if not self._store.fetch(sha256, path):
                    absent.append(name)
        return absent

    def _not_shared(self, names: list[str]) -> Failure:
        count = f"{names[0]!r}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        message = f"what was put into the store {self._store} is not there on the other side: {count}"
        hint = "--store names a folder that this machine and every worker see under one path, or a repository (oci://…)"
        return Failure(Diagnostic(code="store-not-shared", message=message, hint=hint))

    def _asked(self, plan: Plan, project: Project, progress: job.Progress) -> Json:
        """Run the job, again where its worker was lost, and return the worker's answer."""
        name = uuid.uuid4().hex
        request = {
            "plan": to_json(plan),
            "offline": project.offline,
            "store": str(self._store),
            "memory": self._memory,
            "topic": self._topic,
            "job": name,
        }
        self._progress[name] = progress
        try:
            for attempt in range(ATTEMPTS):
                fit = self._fit(plan)
                if attempt:
                    progress(f"its worker was lost: begun again, on one of {len(fit)}")
                answer = self._answer(request, fit, f"{name}-{attempt}")
                if answer is not None:
                    return answer
        finally:
            del self._progress[name]
        raise _given_up()

    def _answer(self, request: Json, fit: list[str], key: str) -> Json | None:
        """Submit once; None where the worker was lost. Raises CancelledError as soon as the build is stopped."""
        from distributed import KilledWorker

        future = self._client.submit(serve, request, key=f"edgec-{key}", workers=fit, pure=False, retries=0)
        looked = time.monotonic()
        try:
            while future.status == "pending":
                if self._stop.wait(POLL_SECONDS):
                    raise CancelledError
                if time.monotonic() - looked > 1:
                    looked = time.monotonic()
                    if not set(fit) & set(self._workers()):
                        return None
            if future.status in ("cancelled", "lost"):
                raise self._lost()
            answer = started(self._client, lambda: future)
            if not done(answer, self._stop, WAIT_SECONDS):  # its worker finished, and does not hand it over
                return None
            found: Json = answer.result()
            return found
        except KilledWorker as error:  # the scheduler gave it to several, and lost them all
            raise _given_up() from error
        finally:
            self._taken_back(future)

    def _taken_back(self, future: Future) -> None:
        with contextlib.suppress(Exception):  # with the scheduler gone there is nothing to take back
            future.cancel()

    def _workers(self) -> dict[str, Any]:
        """Threads of every worker by its address; also those that came since."""
        found: dict[str, Any] = self._said(lambda: self._client.nthreads())
        return found

    def _said(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """What the scheduler answers. Raises Failure ``scheduler-unreachable`` where it is gone or silent for LOST_SECONDS."""
        try:
            answer = started(self._client, call)
            if done(answer, self._stop, LOST_SECONDS):
                return answer.result()
        except (OSError, RuntimeError, CancelledError) as error:
            if self._stop.is_set():
                raise CancelledError from error
            raise self._lost() from error
        raise self._lost()

    def _lost(self) -> Failure:
        message = f"the scheduler {self._address} was lost while a job ran"
        return Failure(Diagnostic(code="scheduler-unreachable", message=message, hint="what was finished is in the cache"))

    def _fit(self, plan: Plan) -> list[str]:
        """Return the workers that may run the plan; waits a while where there is none, or none that answers.

        Raises Failure ``no-worker``, which says of each why not.
        """
        begun = time.monotonic()
        while True:
            found = self._questions.answers(plan, self._workers)
            unfit = self._unfit(found, plan)
            for address, why in unfit.items():
                self._tell_once(f"{address} takes no job: {why}")
            if len(unfit) < len(found):
                return [address for address in found if address not in unfit]
            may_come = not found or any("silent" in there for there in found.values())
            if not may_come or time.monotonic() - begun > WAIT_SECONDS:
                raise self._no_worker(plan, unfit)
            if self._stop.wait(POLL_SECONDS):
                raise CancelledError

    def _no_worker(self, plan: Plan, unfit: dict[str, str]) -> Failure:
        message = f"no worker of {self._address} may lower {plan.name}"
        hint = "\n".join(f"{address}: {why}" for address, why in unfit.items())
        if not unfit:
            message = f"the scheduler {self._address} has had no worker for {WAIT_SECONDS:.0f} s"
            hint = "start some: dask worker tcp://… --nthreads 1"
        return Failure(Diagnostic(code="no-worker", message=message, hint=hint))

    def _unfit(self, found: dict[str, Json], plan: Plan) -> dict[str, str]:
        """Why workers may not run the plan: each must be as this machine is, and have the memory that is asked for."""
        here = conditions(to_json(plan))
        identity = self._said(lambda: self._client.scheduler.identity(n_workers=-1)) if self._memory else {}
        reasons = {}
        for address, there in found.items():
            room = room_of(identity, address)
            if "silent" in there or "error" in there:
                reasons[address] = str(there.get("silent") or there["error"])
            elif differences := unequal(here, there):
                reasons[address] = "; ".join(differences)
            elif self._memory and room and room < self._memory:
                asked = f"{self._memory / 1e9:.2f} GB are asked for"
                reasons[address] = f"it gives a job {room / 1e9:.2f} GB, and {asked}"
        return reasons

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._say(line)

    def _heard(self, event: tuple[float, Json]) -> None:
        message = event[1]
        if progress := self._progress.get(message["job"]):
            progress(message["line"])


def _given_up() -> Failure:
    message = "one worker after the other was lost while it lowered this, and it is not begun again"
    hint = "the kernel kills the largest process when memory runs out: bound each job with --job-memory"
    return Failure(Diagnostic(code="job-killed", message=message, hint=hint))


def room_of(identity: Json, address: str) -> int:
    """Return how much memory a job on that worker may take: its limit shared by its threads; 0 where it has none."""
    worker = identity.get("workers", {}).get(address, {})
    return int(worker.get("memory_limit") or 0) // max(1, int(worker.get("nthreads") or 1))


def unequal(here: Json, there: Json) -> list[str]:
    """Return what differs between two machines' conditions, by name: ``torch 2.12.0 instead of 2.13.0``."""
    found = []
    for part, value in here.items():
        other = there.get(part)
        if isinstance(value, dict) and isinstance(other, dict):
            names = sorted({*value, *other})
            pairs = [(name, value.get(name, "absent"), other.get(name, "absent")) for name in names]
        else:
            pairs = [(part, value, other)]
        found += [f"{name} {_shown(after)} instead of {_shown(before)}" for name, before, after in pairs if before != after]
    return found


def _shown(value: Json) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{text[:12]}…" if len(text) == 64 else text


def _connected(address: str) -> Client:
    """Return a client of the scheduler. Raises Failure ``tool-missing`` or ``scheduler-unreachable``."""
    try:
        from distributed import Client
    except ImportError:
        message = "--scheduler needs the package distributed, which is not installed"
        raise Failure(Diagnostic(code="tool-missing", message=message, hint="pip install 'edgec[distributed]'")) from None
    import logging

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        message = f"the scheduler {address} does not answer: {error}"
        hint = "start one: dask scheduler; its first lines name its address"
        raise Failure(Diagnostic(code="scheduler-unreachable", message=message, hint=hint)) from None
