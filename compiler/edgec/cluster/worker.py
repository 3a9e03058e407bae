"""What runs on a worker of a cluster: a request goes in, a child process lowers, digests of files in the store come out."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from edgec import job
from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.document import Json
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.cluster.store import Store, store_at
from edgec.diagnostics import Failure
from edgec.store.atomic import environment_errors, inside
from edgec.store.files import sha256_of

WATCH_SECONDS = 0.2
RUNNING = ("executing", "long-running", "resumed")
"""What a worker calls a task that somebody waits for; it becomes ``cancelled`` when the submitter takes it back, or is gone."""


def conditions(plan: Json) -> Json:
    """Return what must be equal wherever the plan (as JSON) is lowered: edgec's code, packages, platform."""
    from edgec.stages import inputs

    return inputs.conditions(from_json(Plan, plan))


def serve(request: Json) -> Json:
    """Lower the plan of ``request`` and return ``{"files": {name: sha256}}``, all of them in the store.

    Else ``{"absent": [path, …]}`` for inputs that the store does not hold, ``{"failure": […]}`` or ``{"bug": traceback}``.
    The job is killed when nobody waits for it any more.
    """
    from distributed import get_worker

    worker = get_worker()
    store, stop = store_at(request["store"]), threading.Event()
    with tempfile.TemporaryDirectory(prefix="edgec-", dir=worker.local_directory) as scratch, _watched(worker, stop):
        try:
            with environment_errors(f"fetch the inputs from {store}"):
                project, absent = _project(request, store, Path(scratch) / "project")
            if absent:
                return {"absent": absent}
            return {"files": _lowered(request, store, project, Path(scratch) / "job", worker, stop)}
        except Failure as failure:
            return {"failure": [to_json(item) for item in failure.diagnostics]}
        except CancelledError:
            raise
        except RuntimeError as error:
            return {"bug": str(error)}


def _project(request: Json, store: Store, root: Path) -> tuple[Project, list[str]]:
    """Lay out the project's files below ``root``, each verified; also return the paths of those that are not there."""
    absent = []
    folder = root / request["plan"]["folder"]
    folder.mkdir(parents=True)
    for name, sha256 in request["plan"]["files"].items():
        path = inside(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not store.fetch(sha256, path):
            absent.append(name)
    return Project(root=root, folder=folder, offline=request["offline"]), absent


def _lowered(
    request: Json, store: Store, project: Project, folder: Path, worker: Any, stop: threading.Event
) -> dict[str, str]:
    plan = from_json(Plan, request["plan"])

    def tell(line: str) -> None:
        worker.log_event(request["topic"], {"job": request["job"], "line": line})

    tell(f"on {worker.address}")
    job.run(plan, project, folder, tell, stop, request["memory"] or _share(worker))
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    digests = {name: sha256_of(path) for name, path in found.items()}
    with environment_errors(f"store the results in {store}"):
        for name, path in found.items():
            store.put(path, digests[name])
    return digests


def _share(worker: Any) -> int | None:
    """What one of the worker's threads has of its memory; None where it has no limit. dask leaves child processes alone."""
    limit = worker.memory_manager.memory_limit
    return int(limit) // worker.state.nthreads if limit else None


@contextlib.contextmanager
def _watched(worker: Any, stop: threading.Event) -> Iterator[None]:
    """Inside it ``stop`` is set as soon as the task that runs in this thread is nobody's any more."""
    key, left = worker.get_current_task(), threading.Event()

    def watch() -> None:
        while not left.wait(WATCH_SECONDS):
            task = worker.state.tasks.get(key)
            if task is None or task.state not in RUNNING:
                stop.set()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        watcher.join()
