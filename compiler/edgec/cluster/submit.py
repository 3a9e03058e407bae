"""Jobs of a build on a `dask.distributed` cluster: a Plan goes in, the files of its lowering come back through the store."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
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
from edgec.cluster.store import store_at
from edgec.cluster.worker import conditions, serve
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.atomic import environment_errors, inside

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 10.0
WAIT_SECONDS = 60.0
"""How long a build waits for a worker where there is none: one that was killed is started again by its nanny."""

POLL_SECONDS = 0.1
ATTEMPTS = 4
"""How often a job is begun at most; a worker that was killed takes one of them with it."""


class Cluster(AbstractContextManager["Cluster"]):
    """A connection to a scheduler. ``memory`` are bytes that a job may take, None where the worker's own limit says it."""

    def __init__(self, address: str, store: str, memory: int | None, say: job.Progress, stop: threading.Event) -> None:
        self._address, self._memory, self._say, self._stop = address, memory, say, stop
        self._store = store_at(store)
        self._topic = f"edgec-{uuid.uuid4().hex}"
        self._progress: dict[str, job.Progress] = {}
        self._known: dict[tuple[str, str], Json] = {}
        self._told: set[str] = set()
        self._client: Client = _connected(address)
        self._client.subscribe_topic(self._topic, self._heard)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take back every job that still runs: its worker kills it."""
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
            answer: Json = future.result()
            return answer
        except KilledWorker as error:  # the scheduler gave it to several, and lost them all
            raise _given_up() from error
        finally:
            self._taken_back(future)

    def _taken_back(self, future: Future) -> None:
        with contextlib.suppress(Exception):  # with the scheduler gone there is nothing to take back
            future.cancel()

    def _workers(self) -> dict[str, Any]:
        """Threads of every worker by its address; also those that came since."""
        try:
            found: dict[str, Any] = self._client.nthreads()
        except (OSError, RuntimeError, TimeoutError) as error:
            raise self._lost() from error
        return found

    def _lost(self) -> Failure:
        message = f"the scheduler {self._address} was lost while a job ran"
        return Failure(Diagnostic(code="scheduler-unreachable", message=message, hint="what was finished is in the cache"))

    def _fit(self, plan: Plan) -> list[str]:
        """Return the workers that may run the plan; waits a while where there is none at all.

        Raises Failure ``no-worker``, which says of each why not.
        """
        begun = time.monotonic()
        while not (found := self._workers()):
            if self._stop.wait(POLL_SECONDS):
                raise CancelledError
            if time.monotonic() - begun > WAIT_SECONDS:
                message = f"the scheduler {self._address} has had no worker for {WAIT_SECONDS:.0f} s"
                hint = "start some: dask worker tcp://… --nthreads 1"
                raise Failure(Diagnostic(code="no-worker", message=message, hint=hint))
        unfit = {address: why for address in found if (why := self._unfit(address, plan))}
        for address, why in unfit.items():
            self._tell_once(f"{address} takes no job: {why}")
        if len(unfit) == len(found):
            reasons = "\n".join(f"{address}: {why}" for address, why in unfit.items())
            message = f"no worker of {self._address} may lower {plan.name}"
            raise Failure(Diagnostic(code="no-worker", message=message, hint=reasons))
        return [address for address in found if address not in unfit]

    def _unfit(self, address: str, plan: Plan) -> str:
        """Why a worker may not run the plan, or "": it must be as this machine is, and have the memory that is asked for."""
        there = self._conditions(address, plan)
        if "error" in there:
            return str(there["error"])
        if differences := unequal(conditions(to_json(plan)), there):
            return "; ".join(differences)
        room = there_is(self._client, address)
        if self._memory and room and room < self._memory:
            return f"it gives a job {room / 1e9:.2f} GB, and {self._memory / 1e9:.2f} GB are asked for"
        return ""

    def _conditions(self, address: str, plan: Plan) -> Json:
        """What the worker says of itself, asked once for each source of models; again where it could not answer."""
        key = address, plan.model.name
        if key not in self._known:
            found = self._client.run(conditions, to_json(plan), workers=[address], on_error="return").get(address)
            if not isinstance(found, dict):  # it may be starting again
                return {"error": f"edgec does not run there: {type(found).__name__}: {found}"}
            self._known[key] = found
        return self._known[key]

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


def there_is(client: Client, address: str) -> int:
    """Return how much memory a job on that worker may take: its limit shared by its threads; 0 where it has none."""
    worker = client.scheduler_info(n_workers=-1)["workers"].get(address, {})
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
