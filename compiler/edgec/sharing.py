"""Which jobs of a build open their model together: those of one reference key, where at least two are still to run."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from edgec import job
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.shared_job import SharedJob
from edgec.stages.plan import reference_key


class Sharing(AbstractContextManager["Sharing"]):
    """The opened models of a build, at most ``most`` at a time, each from its first job to its last."""

    def __init__(self, plans: Iterable[Plan], most: int, stop: threading.Event) -> None:
        self._stop, self._most = stop, most
        self._waiting: dict[str, dict[str, Plan]] = defaultdict(dict)
        for plan in plans:
            self._waiting[reference_key(plan)][plan.lowering_key] = plan
        self._shared: dict[str, SharedJob] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shared in self._shared.values():
            shared.close()
        self._shared.clear()

    def run(self, plan: Plan, project: Project, folder: Path, progress: job.Progress) -> Lowered:
        """Lower ``plan`` into ``folder``, from the opened model where there is or will be one. Raises as ``job.run`` does."""
        shared = self._opened(plan, project, progress)
        if shared is None:
            return job.run(plan, project, folder, progress, self._stop)
        folder.mkdir(parents=True, exist_ok=True)
        return shared.lower(plan, folder, progress)

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
