"""A build's side of a cluster, with a client that answers as a test wants it; real clusters are in tests/e2e."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import plan
from edgec import job
from edgec.artifacts.document import Json
from edgec.artifacts.project import Project
from edgec.cluster import submit
from edgec.cluster.store import SharedStore
from edgec.cluster.submit import Cluster
from edgec.diagnostics import Failure

WORKER = "tcp://worker:1"


class Client:
    """A scheduler's client, whose one worker says of itself what ``answers`` has next."""

    def __init__(self) -> None:
        self.answers: list[object] = []

    def subscribe_topic(self, topic: str, heard: Callable[[Any], None]) -> None:
        pass

    def close(self) -> None:
        pass

    def run(self, function: object, *arguments: object, workers: list[str], on_error: str) -> dict[str, object]:
        assert on_error == "return"
        return {WORKER: self.answers.pop(0)}


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def store(tmp_path: Path) -> SharedStore:
    return SharedStore(folder=tmp_path / "store")


@pytest.fixture
def cluster(client: Client, store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(submit, "_connected", lambda address: client)
    with Cluster("tcp://scheduler:1", str(store), None, lambda line: None, threading.Event()) as found:
        yield found


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


def test_a_worker_that_could_not_answer_is_asked_again(cluster: Cluster, client: Client) -> None:
    client.answers = [OSError("Timed out"), {"python": "3"}]
    assert cluster._conditions(WORKER, plan()) == {"error": "edgec does not run there: OSError: Timed out"}
    assert cluster._conditions(WORKER, plan()) == cluster._conditions(WORKER, plan()) == {"python": "3"}
