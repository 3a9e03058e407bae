"""Builds on a real cluster: a scheduler and workers of their own processes, on loopback, and what goes wrong there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from bundle_parts import plan as camera
from edgec.artifacts.codec import to_json
from edgec.artifacts.project import Project
from edgec.diagnostics import Failure

pytest.importorskip("distributed")

from edgec import job
from edgec.cluster import questions, submit
from edgec.cluster.store import SharedStore
from edgec.cluster.submit import Cluster
from edgec.stages.plan import lowering_key
from registries import running

STAND_IN = Path(__file__).with_name("cluster_stand_in.py")
MEMORY = "3GB"
INPUT = "manifests/data/words.txt"


@dataclass
class Workers:
    """The scheduler's address and the processes, in a folder of their own."""

    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *words, "--no-dashboard"], stdout=log, stderr=log, cwd=self.folder,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        return process

    def worker(self, *, nanny: bool = False, **environment: str) -> subprocess.Popen[bytes]:
        options = ["--nthreads", "1", "--memory-limit", MEMORY, "--local-directory", str(self.folder / "scratch")]
        how = "--nanny" if nanny else "--no-nanny"
        return self.start("worker", self.address, *options, how, "--preload", str(STAND_IN), **environment)

    def stop(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(what, seconds=60.0):
    """Wait until ``what`` gives something true, and return it."""
    begun = time.monotonic()
    while not (found := what()):
        assert time.monotonic() - begun < seconds, "waited in vain"
        time.sleep(0.05)
    return found


def watched(client) -> bool:
    """Whether a nanny stands by that has seen its worker start: one whose worker dies before that gives up with it."""

    def status(dask_worker):  # a nested function travels by value: a nanny cannot import this module
        return dask_worker.status.name

    return "running" in client.run(status, nanny=True).values()


@contextlib.contextmanager
def cluster(folder: Path):
    """A scheduler without workers."""
    made = Workers(folder=folder)
    try:
        made.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(folder / "scheduler.json"))
        named = folder / "scheduler.json"
        made.address = json.loads(until(lambda: named.is_file() and named.read_text()))["address"]
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with running(tmp_path_factory.mktemp("registry") / "here") as started:
        yield started


@pytest.fixture(scope="module")
def workers(registry, tmp_path_factory):
    """Two workers as this machine is, each of one thread, which may use the registry."""
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.worker(**registry.environment)
        made.worker(**registry.environment)
        yield made


@pytest.fixture
def stand_in(tmp_path):
    """A function that makes a plan whose job is a stand-in of so many ticks, and the project that it is of."""

    def make(ticks: int):
        path = tmp_path / "root" / INPUT
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one two\n")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        made = camera(description=f"stand-in {ticks}", files={INPUT: digest})
        project = Project(root=tmp_path / "root", folder=tmp_path / "root" / "manifests")
        return replace(made, lowering_key=lowering_key(made)), project

    return make


@pytest.fixture
def connected(workers, tmp_path, monkeypatch):
    """A function that connects to the scheduler; what it says, and each job, is kept in ``lines``."""
    monkeypatch.setattr(job, "read_lowered", lambda folder: (folder / "result" / "given.txt").read_text())
    lines: list[str] = []

    def connect(stop=None, memory=None, store=tmp_path / "store", address=None):
        made = Cluster(address or workers.address, str(store), memory, lines.append, stop or threading.Event())
        made.lines = lines
        return made

    return connect


def test_inputs_and_results_travel_through_the_store(connected, stand_in, tmp_path) -> None:
    plan, project = stand_in(1)
    with connected(memory=10**9) as made:
        until(lambda: made.slots == 2)
        given = made.run(plan, project, tmp_path / "job", made.lines.append)
    assert given == repr(([(INPUT, "one two\n")], 10**9))
    assert any(line.startswith("on tcp://127.0.0.1") for line in made.lines) and "tick 0" in made.lines
    blobs = {path.name for path in (tmp_path / "store" / "blobs" / "sha256").iterdir()}
    assert blobs == {plan.files[INPUT], hashlib.sha256(given.encode()).hexdigest()}


def test_inputs_and_results_travel_through_a_registry(connected, stand_in, registry, tmp_path, monkeypatch) -> None:
    for name, value in registry.environment.items():
        monkeypatch.setenv(name, value)
    plan, project = stand_in(2)
    with connected(store=f"oci://{registry.host}/team/store") as made:
        given = made.run(plan, project, tmp_path / "job", made.lines.append)
        assert made.run(plan, project, tmp_path / "again", made.lines.append) == given
        assert registry.blob(f"sha256:{hashlib.sha256(given.encode()).hexdigest()}").read_text() == given
        registry.blob(f"sha256:{plan.files[INPUT]}").write_text("one tvo\n")
        with pytest.raises(Failure) as caught:
            made.run(plan, project, tmp_path / "damaged", made.lines.append)
    assert caught.value.diagnostics[0].code == "digest-mismatch" and caught.value.exit_code == 7


def test_a_registry_that_lets_nobody_in_is_told(connected, stand_in, registry, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", registry.environment["SSL_CERT_FILE"])
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    plan, project = stand_in(1)
    with connected(store=f"oci://{registry.host}/team/store") as made, pytest.raises(Failure) as caught:
        made.run(plan, project, tmp_path / "job", made.lines.append)
    assert caught.value.diagnostics[0].code == "registry-refused" and "asks for a user" in str(caught.value)


def test_a_store_is_a_repository_and_no_release(connected) -> None:
    with pytest.raises(Failure, match="names a release"):
        connected(store="oci://localhost:5000/team/store:1.0.0")


def test_a_damaged_blob_is_put_again(connected, stand_in, tmp_path) -> None:
    plan, project = stand_in(1)
    blob = tmp_path / "store" / "blobs" / "sha256" / plan.files[INPUT]
    blob.parent.mkdir(parents=True)
    blob.write_text("one tvo\n")  # of the same size
    with connected() as made:
        assert "one two" in str(made.run(plan, project, tmp_path / "job", made.lines.append))
    assert blob.read_text() == "one two\n"


def test_a_store_that_workers_do_not_see_is_told(connected, stand_in, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(SharedStore, "put", lambda self, path, sha256: None)
    plan, project = stand_in(1)
    with connected() as made, pytest.raises(Failure, match=INPUT) as caught:
        made.run(plan, project, tmp_path / "job", made.lines.append)
    assert caught.value.diagnostics[0].code == "store-not-shared" and caught.value.exit_code == 8


def test_an_input_that_changed_is_refused(connected, stand_in, tmp_path) -> None:
    plan, project = stand_in(1)
    (project.root / INPUT).write_text("other words\n")
    with connected() as made, pytest.raises(Failure, match="changed") as caught:
        made.run(plan, project, tmp_path / "job", made.lines.append)
    assert caught.value.diagnostics[0].code == "digest-mismatch"


def test_a_job_that_is_stopped_ends_on_its_worker_too(connected, stand_in, tmp_path) -> None:
    from concurrent.futures import CancelledError

    plan, project = stand_in(600)
    stop = threading.Event()
    with connected(stop) as made:
        made.say = lambda line: stop.set() if line.startswith("tick 3") else None
        with pytest.raises(CancelledError):
            made.run(plan, project, tmp_path / "job", made.say)
        until(lambda: not any(made._client.processing().values()), 10)
        plan, project = stand_in(1)  # both workers are free again
        for name in ("one", "two"):
            made._stop.clear()
            made.run(plan, project, tmp_path / name, made.lines.append)


def test_more_memory_than_any_worker_has_is_refused_at_once(connected, stand_in, tmp_path) -> None:
    plan, project = stand_in(1)
    begun = time.monotonic()
    with connected(memory=10**13) as made, pytest.raises(Failure) as caught:
        made.run(plan, project, tmp_path / "job", made.lines.append)
    assert time.monotonic() - begun < 30
    (found,) = caught.value.diagnostics
    assert found.code == "no-worker" and "3.00 GB, and 10000.00 GB are asked for" in str(found.hint)


def test_workers_that_are_not_as_this_machine_is_take_no_job(connected, stand_in, tmp_path, monkeypatch) -> None:
    plan, project = stand_in(1)
    here = submit.conditions

    def newer(record):
        found = here(record)
        return {**found, "packages": {**found["packages"], "torch": "99.0"}}

    monkeypatch.setattr(submit, "conditions", newer)
    with connected() as made, pytest.raises(Failure) as caught:
        made.run(plan, project, tmp_path / "job", made.lines.append)
    (found,) = caught.value.diagnostics
    assert found.code == "no-worker" and str(found.hint).count("torch 2.") == 2 and "instead of 99.0" in str(found.hint)


def test_one_with_other_code_is_passed_over_by_name(tmp_path, connected, stand_in) -> None:
    plan, project = stand_in(1)
    with cluster(tmp_path) as made:
        made.worker(STAND_IN_OLDER="1")
        with connected(address=made.address) as submitted:
            until(lambda: submitted._workers())
            with pytest.raises(Failure, match="no worker"):
                submitted.run(plan, project, tmp_path / "job", submitted.lines.append)
            assert any("takes no job: edgec 000000000000… instead of" in line for line in submitted.lines)
            made.worker()
            until(lambda: len(submitted._workers()) == 2)
            submitted.run(plan, project, tmp_path / "job", submitted.lines.append)


def test_without_any_worker_a_build_does_not_wait_for_ever(tmp_path, connected, stand_in, monkeypatch) -> None:
    monkeypatch.setattr(submit, "WAIT_SECONDS", 0.5)
    plan, project = stand_in(1)
    with cluster(tmp_path) as made, connected(address=made.address) as submitted, pytest.raises(Failure) as caught:
        submitted.run(plan, project, tmp_path / "job", submitted.lines.append)
    assert caught.value.diagnostics[0].code == "no-worker"


def test_a_scheduler_that_is_lost_ends_the_job(tmp_path, connected, stand_in) -> None:
    plan, project = stand_in(600)
    with cluster(tmp_path) as made:
        made.worker()
        with connected(address=made.address) as submitted:
            until(lambda: submitted._workers())

            def heard(line):
                if line.startswith("tick 1"):
                    os.killpg(made.processes[0].pid, signal.SIGKILL)

            with pytest.raises(Failure) as caught:
                submitted.run(plan, project, tmp_path / "job", heard)
    assert caught.value.diagnostics[0].code == "scheduler-unreachable"


@contextlib.contextmanager
def frozen(process):
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_scheduler_that_freezes_ends_the_job(stopped, tmp_path, connected, stand_in, monkeypatch) -> None:
    """And keeps nobody who stops the build: neither while the job is waited for nor when the connection is closed."""
    from concurrent.futures import CancelledError

    monkeypatch.setattr(submit, "LOST_SECONDS", 600.0 if stopped else 3.0)
    plan, project = stand_in(600)
    stop, begun = threading.Event(), []
    with cluster(tmp_path) as made, contextlib.ExitStack() as freeze:
        made.worker()
        with connected(stop, address=made.address) as submitted:
            until(lambda: submitted._workers())

            def heard(line):
                if line == "tick 1":
                    begun.append(time.monotonic())
                    freeze.enter_context(frozen(made.processes[0]))
                    if stopped:
                        threading.Timer(2, stop.set).start()

            with pytest.raises(CancelledError if stopped else Failure) as caught:
                submitted.run(plan, project, tmp_path / "job", heard)
        assert time.monotonic() - begun[0] < 15
    assert stopped or caught.value.diagnostics[0].code == "scheduler-unreachable"


def test_a_worker_that_is_frozen_holds_up_no_other(tmp_path, connected, stand_in, monkeypatch) -> None:
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 5.0)
    plan, project = stand_in(1)
    with cluster(tmp_path) as made:
        workers = [made.worker(), made.worker()]
        with connected(address=made.address) as submitted:
            until(lambda: len(submitted._workers()) == 2)
            submitted._client.run(submit.conditions, to_json(plan))  # which imports edgec there, so that the other answers soon
            with frozen(workers[1]):
                for name in ("one", "two"):
                    begun = time.monotonic()
                    submitted.run(plan, project, tmp_path / name, submitted.lines.append)
                assert time.monotonic() - begun < 5
            assert len([line for line in submitted.lines if line.endswith("takes no job: it does not answer")]) == 1


def test_workers_that_are_killed_just_when_they_are_asked_are_waited_for(tmp_path, connected, stand_in) -> None:
    plan, project = stand_in(1)
    with cluster(tmp_path) as made:
        made.worker(nanny=True)
        with connected(address=made.address) as submitted:
            until(lambda: submitted._workers() and watched(submitted._client))
            real, killed = submitted._workers, []

            def workers():
                found = real()
                if not killed:
                    killed.append(submitted._client.run(os.getpid)[next(iter(found))])
                    os.kill(killed[0], signal.SIGKILL)
                return found

            submitted._workers = workers
            assert "one two" in str(submitted.run(plan, project, tmp_path / "job", submitted.lines.append))


def test_a_scheduler_that_does_not_answer(connected, monkeypatch) -> None:
    monkeypatch.setattr(submit, "CONNECT_SECONDS", 1.0)
    with pytest.raises(Failure) as caught:
        connected(address="tcp://127.0.0.1:9")
    assert caught.value.diagnostics[0].code == "scheduler-unreachable"


@pytest.mark.parametrize("nanny", [False, True])
def test_the_job_of_a_worker_that_is_killed_is_begun_again(nanny, tmp_path, connected, stand_in) -> None:
    """On the other worker; and where there was one alone, on the one that its nanny starts."""
    plan, project = stand_in(20)
    with cluster(tmp_path) as made:
        made.worker(nanny=nanny)
        if not nanny:
            made.worker()
        with connected(address=made.address) as submitted:
            until(lambda: len(submitted._workers()) == (1 if nanny else 2) and (not nanny or watched(submitted._client)))
            killed: list[str] = []
            seen: list[str] = []

            def kill():
                pid = submitted._client.run(os.getpid, workers=killed)[killed[0]]
                os.kill(pid, signal.SIGKILL)

            def heard(line):
                seen.append(line)
                if line == "tick 5" and not killed:
                    killed.append(seen[0].removeprefix("on "))
                    threading.Thread(target=kill).start()  # lines are told in the thread that speaks with the scheduler

            assert "one two" in str(submitted.run(plan, project, tmp_path / "job", heard))
    begun = [line for line in seen if line.startswith("on tcp://")]
    assert len(begun) == 2 and begun[0] == f"on {killed[0]}" and begun[1] != begun[0]


NET = """
import torch
from torch import nn


def tiny():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.AvgPool2d(8), nn.Flatten())
"""

MANIFEST = """
apiVersion: edgec/v1
name: tiny
version: 1.0.0
model: {source: python, entry: "net:tiny"}
inputs:
  - {name: x, shape: [1, 3, 16, 16]}
task: {name: tensor}
data:
  calibration: {format: npz, path: data.npz}
  evaluation: {format: npz, path: data.npz}
quantization: fp32
targets: [linux-x86_64]
"""


@pytest.fixture
def project(tmp_path):
    """A project with a network of its own code, and data that no other test has: nothing of it is in the cache."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "tiny.yaml").write_text(MANIFEST)
    x = np.random.default_rng(zlib.crc32(tmp_path.name.encode())).standard_normal((32, 3, 16, 16)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    return tmp_path


@pytest.fixture
def build(project, cache_folder):
    """Start `edgec build`, in a session of its own, with the cache of this run, where the runner is."""

    def start(*options, **environment):
        command = [sys.executable, "-m", "edgec", "build", "tiny.yaml", "--root", ".", "--allow-code", *options]
        return subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "EDGEC_CACHE": str(cache_folder), **environment},
        )  # fmt: skip

    return start


def jobs() -> list[int]:
    """The processes that lower, of whomever."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"from edgec.job import main" in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_the_death_of_a_worker_changes_no_byte(build, project, cache_folder, tmp_path_factory) -> None:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        alive = {made.worker().pid, made.worker().pid}
        until(lambda: all("Registered to" in (made.folder / f"{number}.log").read_text() for number in (1, 2)))
        running = build("--scheduler", made.address, "--store", "store", "--out", "far", "--job-memory", "3GB")
        words = []
        for line in running.stderr:
            words.append(line)
            if "load " in line and len(alive) == 2:
                lowering = {pid for pid in jobs() if parent(pid) in alive}
                (worker,) = map(parent, lowering)
                os.kill(worker, signal.SIGKILL)
                alive.remove(worker)
                until(lambda gone=lowering: not gone & set(jobs()), 10)
        assert running.wait(300) == 0, "".join(words)
    assert sum(": on tcp://" in line for line in words) == 2, "".join(words)
    shutil.rmtree(cache_folder / "lowered" / plan_key(project))
    near = build("--out", "near")
    _, words = near.communicate(timeout=300)
    assert near.returncode == 0 and "evaluate " in words, words
    name = "tiny-1.0.0-linux-x86_64.tar.gz"
    assert (project / "far" / name).read_bytes() == (project / "near" / name).read_bytes()


def plan_key(project: Path) -> str:
    """The key of the project's one lowering."""
    from edgec.artifacts.settings import Settings
    from edgec.pipeline import fronts, planned

    passed, _, _ = fronts([project / "tiny.yaml"], project)
    ((plan, _),), _ = planned(passed, Settings(allow_code=True))
    return plan.lowering_key


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda running: os.killpg(running.pid, signal.SIGINT), 130),  # as a terminal does
        (lambda running: running.terminate(), 143),
        (lambda running: running.kill(), -signal.SIGKILL),
    ],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_a_build_that_ends_early_leaves_no_process_behind(end, code, workers, build, project) -> None:
    running = build("--scheduler", workers.address, EDGEC_STORE=str(project / "store"))
    mine: list[int] = []
    for line in running.stderr:
        if "load " in line:
            mine = [pid for pid in jobs() if parent(pid) in {process.pid for process in workers.processes}]
            end(running)
    assert running.wait(60) == code
    assert mine
    until(lambda: not set(mine) & set(jobs()), 10)


def test_a_job_with_too_little_memory_is_told(workers, build) -> None:
    running = build("--scheduler", workers.address, "--store", "store", "--job-memory", "500MB")
    _, words = running.communicate(timeout=300)
    assert running.returncode == 8 and "job-killed" in words and "before it begins" in words, words


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scheduler", "tcp://127.0.0.1:9"], "--scheduler needs --store"),
        (["--job-memory", "1GB"], "bounds the jobs of --scheduler"),
        (["--scheduler", "tcp://127.0.0.1:9", "--store", "s", "--job-memory", "much"], "much"),
    ],
)
def test_usage(options, said, build) -> None:
    running = build(*options, EDGEC_STORE="")
    _, words = running.communicate(timeout=60)
    assert running.returncode == 2 and said in words
