"""What jobs of a build have in common while at least two are still to run: their model, or only the compiler's imports."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from edgec import job
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.runtime.forks import borne
from edgec.shared_job import SharedJob
from edgec.stages.plan import reference_key


class Sharing(AbstractContextManager["Sharing"]):
    """The opened models of a build, at most ``most`` at a time, each from its first job to its last; and the compiler.

    Jobs of one reference key are lowered from one opened model, all others from one process that has imported the compiler;
    the last of a build, where neither is there, in a process of its own.
    """

    def __init__(self, plans: Iterable[Plan], most: int, stop: threading.Event) -> None:
        self._stop, self._most = stop, most
        self._waiting: dict[str, dict[str, Plan]] = defaultdict(dict)
        for plan in plans:
            self._waiting[reference_key(plan)][plan.lowering_key] = plan
        self._shared: dict[str, SharedJob] = {}
        self._imported: SharedJob | None = None
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock, self._importing = threading.Lock(), threading.Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shared in (*self._shared.values(), self._imported):
            if shared:
                shared.close()
        self._shared.clear()
        self._imported = None

    def run(self, plan: Plan, project: Project, folder: Path, progress: job.Progress) -> Lowered:
        """Lower ``plan`` into ``folder``, from what it shares with other jobs, if anything. Raises as ``job.run`` does."""
        shared = (self._opened(plan, project, progress) or self._compiler(project, progress)) if borne() else None
        if shared is None:
            return job.run(plan, project, folder, progress, self._stop)
        return shared.lower(plan, project, folder, progress)

    def done(self, plan: Plan) -> None:
        """Take note that ``plan`` needs no job any more; with the last of its model, the model is closed."""
        key = reference_key(plan)
        with self._lock:
            self._waiting[key].pop(plan.lowering_key, None)
            shared = None if self._waiting[key] else self._shared.pop(key, None)
        if shared:
            shared.close()

    def _opened(self, plan: Plan, project: Project, progress: job.Progress) -> SharedJob | None:
        key = reference_key(plan)
        with self._lock:
            waiting, lock = list(self._waiting[key].values()), self._locks[key]
        with lock:
            self._refuse_stopped()
            with self._lock:
                shared = self._shared.get(key)
                if shared and not shared.alive:
                    self._shared.pop(key).close()
                    shared = None
                full = len(self._shared) >= self._most
            if shared or full or len(waiting) < 2:
                return shared
            shared = SharedJob([plan, *(one for one in waiting if one is not plan)], project, progress, self._stop)
            with self._lock:
                self._shared[key] = shared
            return shared

    def _compiler(self, project: Project, progress: job.Progress) -> SharedJob | None:
        with self._importing:
            self._refuse_stopped()
            if self._imported and not self._imported.alive:
                self._imported.close()
                self._imported = None
            with self._lock:
                waiting = sum(map(len, self._waiting.values()))
            if self._imported is None and waiting > 1:
                self._imported = SharedJob((), project, progress, self._stop)
            return self._imported

    def _refuse_stopped(self) -> None:
        if self._stop.is_set():
            raise CancelledError
