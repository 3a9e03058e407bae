"""A build's side of a cluster, with a client that answers as a test wants it; real clusters are in tests/e2e."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bundle_parts import plan
from edgec import job
from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.project import Project
from edgec.cluster import questions, submit
from edgec.cluster.store import SharedStore
from edgec.cluster.submit import Cluster
from edgec.cluster.worker import conditions
from edgec.diagnostics import Failure

FIRST, SECOND = "tcp://worker:1", "tcp://worker:2"
LOST = OSError("Timed out during handshake")


class Client:
    """A scheduler's client with a thread of its own. Each worker says of itself what it has next in ``workers``.

    The last is said over and over; None is no answer at all, from a worker as from a scheduler that is ``frozen``.
    """

    def __init__(self) -> None:
        self.workers: dict[str, list[object]] = {}
        self.asked: list[str] = []
        self.frozen = False
        self.loop = SimpleNamespace(asyncio_loop=asyncio.new_event_loop())
        self.thread = threading.Thread(target=self.loop.asyncio_loop.run_forever)
        self.thread.start()

    def subscribe_topic(self, topic: str, heard: Callable[[Any], None]) -> None:
        pass

    def close(self) -> None:
        pass

    def end(self) -> None:
        async def left() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(left(), self.loop.asyncio_loop).result()
        self.loop.asyncio_loop.call_soon_threadsafe(self.loop.asyncio_loop.stop)
        self.thread.join()
        self.loop.asyncio_loop.close()

    async def nthreads(self) -> dict[str, int]:
        while self.frozen:
            await asyncio.sleep(0.01)
        return dict.fromkeys(self.workers, 1)

    async def run(self, function: object, *arguments: object, workers: list[str], on_error: str) -> dict[str, object]:
        assert on_error == "return"
        self.asked += workers
        says = self.workers[workers[0]]
        while (found := says.pop(0) if len(says) > 1 else says[0]) is None:
            await asyncio.sleep(0.01)
        return {workers[0]: found}


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.end()


@pytest.fixture
def store(tmp_path: Path) -> SharedStore:
    return SharedStore(folder=tmp_path / "store")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def cluster(
    client: Client, store: SharedStore, said: list[str], stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    monkeypatch.setattr(submit, "_connected", lambda address: client)
    with Cluster("tcp://scheduler:1", str(store), None, said.append, stop) as found:
        yield found


@pytest.fixture
def here() -> Json:
    """What a worker says that is as this machine is."""
    return conditions(to_json(plan()))


def damaged(store: SharedStore, sha256: str) -> None:
    """Change a blob in the store, and leave its size."""
    blob = store.folder / "blobs" / "sha256" / sha256
    blob.write_bytes(b"\0" * blob.stat().st_size)


def works(
    cluster: Cluster, store: SharedStore, folder: Path, monkeypatch: pytest.MonkeyPatch, spoils: int
) -> list[tuple[Path, str]]:
    """Let a worker put two results, and the store damage one of them, ``spoils`` times; return what was put, in order."""
    folder.mkdir()
    put: list[tuple[Path, str]] = []
    results = {name: f"of {name}".encode() for name in ("model.pte", "parts/lowered.json")}

    def asked(*_: object) -> Json:
        digests = {}
        for name, content in results.items():
            path = folder / Path(name).name
            path.write_bytes(content)
            digests[name] = hashlib.sha256(content).hexdigest()
            store.put(path, digests[name])
            put.append((path, name))
        if len(put) <= 2 * spoils:
            damaged(store, digests["parts/lowered.json"])
        return {"files": digests}

    monkeypatch.setattr(cluster, "_asked", asked)
    monkeypatch.setattr(job, "read_lowered", lambda read: {name: (read / name).read_bytes() for name in results})
    return put


def test_a_result_that_the_store_damaged_is_put_again(
    cluster: Cluster, store: SharedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = works(cluster, store, tmp_path / "worker", monkeypatch, spoils=1)
    project = Project(root=tmp_path, folder=tmp_path)
    found: Any = cluster.run(plan(files={}), project, tmp_path / "out", lambda line: None)
    assert found == {"model.pte": b"of model.pte", "parts/lowered.json": b"of parts/lowered.json"} and len(put) == 4


def test_a_store_that_always_damages_is_told(
    cluster: Cluster, store: SharedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = works(cluster, store, tmp_path / "worker", monkeypatch, spoils=9)
    with pytest.raises(Failure) as caught:
        cluster.run(plan(files={}), Project(root=tmp_path, folder=tmp_path), tmp_path / "out", lambda line: None)
    assert [found.code for found in caught.value.diagnostics] == ["store-not-shared"] and len(put) == 4
    assert "'parts/lowered.json'" in str(caught.value)


def test_a_worker_that_dies_when_it_is_asked_is_waited_for(
    cluster: Cluster, client: Client, said: list[str], here: Json
) -> None:
    client.workers = {FIRST: [LOST, LOST, here]}
    assert cluster._fit(plan()) == [FIRST]
    assert said == [f"{FIRST} takes no job: it does not answer: OSError: Timed out during handshake"]
    assert cluster._fit(plan()) == [FIRST] and client.asked == [FIRST] * 3


def test_a_worker_that_never_comes_back_ends_the_build_by_name(
    cluster: Cluster, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "WAIT_SECONDS", 0.3)
    client.workers = {FIRST: [LOST]}
    with pytest.raises(Failure) as caught:
        cluster._fit(plan())
    (found,) = caught.value.diagnostics
    assert found.code == "no-worker" and found.hint == f"{FIRST}: it does not answer: OSError: Timed out during handshake"
    assert len(client.asked) > 1


def test_a_worker_without_edgec_is_not_waited_for(cluster: Cluster, client: Client) -> None:
    client.workers = {FIRST: [ModuleNotFoundError("No module named 'edgec'")]}
    with pytest.raises(Failure) as caught:
        cluster._fit(plan())
    assert "edgec does not run there: ModuleNotFoundError" in str(caught.value.diagnostics[0].hint) and len(client.asked) == 1


def test_a_frozen_worker_is_passed_over_by_name_and_waited_for_once(
    cluster: Cluster, client: Client, said: list[str], here: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 0.3)
    client.workers = {FIRST: [None], SECOND: [here]}
    assert cluster._fit(plan()) == [SECOND]
    assert said == [f"{FIRST} takes no job: it does not answer"]
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 3600.0)
    assert cluster._fit(plan()) == [SECOND] and client.asked == [FIRST, SECOND]
    client.workers[FIRST] = [LOST]  # dask gives such a question up
    assert cluster._fit(plan()) == [SECOND] and len(said) == 1


def test_a_worker_that_wakes_up_takes_jobs(
    cluster: Cluster, client: Client, here: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 0.1)
    client.workers = {FIRST: [*[None] * 30, here]}
    assert cluster._fit(plan()) == [FIRST] and client.asked == [FIRST]


def test_a_worker_that_the_scheduler_lost_is_not_waited_for(
    cluster: Cluster, client: Client, here: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 3600.0)
    monkeypatch.setattr(questions, "LOOK_SECONDS", 0.2)
    client.workers = {FIRST: [None], SECOND: [here]}
    threading.Timer(0.5, lambda: client.workers.pop(FIRST)).start()
    assert cluster._fit(plan()) == [SECOND]


def test_a_frozen_scheduler_is_lost(cluster: Cluster, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "LOST_SECONDS", 0.2)
    client.frozen = True
    with pytest.raises(Failure) as caught:
        cluster._fit(plan())
    assert [found.code for found in caught.value.diagnostics] == ["scheduler-unreachable"]


@pytest.mark.parametrize("frozen", ["scheduler", "worker"])
def test_a_build_that_is_stopped_waits_for_nobody(cluster: Cluster, client: Client, stop: threading.Event, frozen: str) -> None:
    client.frozen = frozen == "scheduler"
    client.workers = {FIRST: [None]}
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(CancelledError):
        cluster._fit(plan())
