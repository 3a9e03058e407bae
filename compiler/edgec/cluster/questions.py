"""What the workers of a cluster say of themselves: all are asked at once, and a silent one holds up nobody for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.plan import Plan
from edgec.cluster.calls import POLL_SECONDS, started
from edgec.cluster.worker import conditions

if TYPE_CHECKING:
    from distributed import Client

ANSWER_SECONDS = 10.0
"""How long jobs wait for a worker's first answer, for which it imports edgec. A later one is taken too."""

LOOK_SECONDS = 1.0
SILENT = "it does not answer"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One that was put to a worker; jobs wait for it ``until`` then, on the monotonic clock."""

    answer: Future[Any]
    until: float


class Questions:
    """Answers of a scheduler's workers. Threads share it: at worst a worker is asked the same twice."""

    def __init__(self, client: Client, stop: threading.Event) -> None:
        self._client, self._stop = client, stop
        self._known: dict[tuple[str, str], Json] = {}
        self._open: dict[tuple[str, str], Question] = {}
        self._silent: dict[str, str] = {}

    def answers(self, plan: Plan, workers: Callable[[], Iterable[str]]) -> dict[str, Json]:
        """Return the conditions of each of the ``workers`` of now, asked once for each source of models.

        ``{"error": why}`` is of one where edgec does not run; ``{"silent": why}`` of one that is not there now, or frozen:
        it is asked again the next time, and no more waited for until it has answered.
        Raises CancelledError as soon as the build is stopped.
        """
        addresses, source = list(workers()), plan.model.name
        asked = {one: self._question(one, plan) for one in addresses if (one, source) not in self._known}
        self._wait(asked, workers)
        heard = {one: self._heard(one, source, question) for one, question in asked.items()}
        known = {one: self._known[one, source] for one in addresses if one not in heard and (one, source) in self._known}
        return {**known, **heard}

    def close(self) -> None:
        """Give up what is not answered yet."""
        for question in list(self._open.values()):
            question.answer.cancel()

    def _question(self, address: str, plan: Plan) -> Question:
        """Ask a worker, where no question to it is open."""
        key = address, plan.model.name
        if found := self._open.get(key):
            return found

        def call() -> Any:
            return self._client.run(conditions, to_json(plan), workers=[address], on_error="return")

        patience = 0.0 if address in self._silent else ANSWER_SECONDS
        self._open[key] = question = Question(answer=started(self._client, call), until=time.monotonic() + patience)
        return question

    def _wait(self, asked: dict[str, Question], workers: Callable[[], Iterable[str]]) -> None:
        """Wait until each is answered, its time is over, or the scheduler has lost its worker: such are dropped."""
        looked = time.monotonic()
        while pending := [one.answer for one in asked.values() if not one.answer.done() and time.monotonic() < one.until]:
            wait(pending, POLL_SECONDS)
            if self._stop.is_set():
                raise CancelledError
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                for gone in asked.keys() - set(workers()):
                    del asked[gone]

    def _heard(self, address: str, source: str, question: Question) -> Json:
        """What came of a question; a good answer is kept, and an open question goes on."""
        if not question.answer.done():
            return {"silent": self._silent.setdefault(address, SILENT)}
        self._open.pop((address, source), None)
        found = _told(question.answer, address)
        if isinstance(found, dict):
            self._known[address, source] = found
            self._silent.pop(address, None)
            return found
        why = f"{type(found).__name__}: {found}"
        if isinstance(found, OSError):  # dask's errors of communication are such
            return {"silent": self._silent.setdefault(address, f"{SILENT}: {why}")}
        return {"error": f"edgec does not run there: {why}"}


def _told(answer: Future[Any], address: str) -> object:
    """What the worker returned, or the exception that stood in its way."""
    try:
        return answer.result().get(address)
    except (OSError, RuntimeError, CancelledError) as error:  # the scheduler's side; whether it is lost shows when it is asked
        return error if isinstance(error, OSError) else OSError(str(error) or type(error).__name__)
