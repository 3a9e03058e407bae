"""Recipes from one opened model, models from one compiler: the bytes as alone; what befalls one leaves the others be."""

import contextlib
import errno
import hashlib
import os
import signal
import socket
import tempfile
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from plans import plan, project, tensor
from test_job import children, wait_for

from edgec import job, shared_job
from edgec.artifacts.manifest import Choice, Data
from edgec.diagnostics import Failure
from edgec.shared_job import SharedJob

DATA = tuple(Data(role=role, format="npz", options={"path": "vectors.npz"}) for role in ("calibration", "evaluation"))


def net(name, recipe="fp32"):
    made = plan(Choice(name="python", options={"entry": f"nets:{name}"}), (tensor("x", 1, 16),), data=DATA)
    return replace(made, recipe=Choice(name=recipe))


FP32, INT8 = net("Linear"), net("Linear", "int8")


def files(folder):
    """The sha256 of what a job wrote."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def test_candidates_come_out_as_from_jobs_of_their_own(tiny_project, tmp_path):
    plans = [net("Linear", recipe) for recipe in ("fp32", "int8", "fp16")]
    lines = []
    where = project(tiny_project)
    shared = SharedJob(plans, where, lines.append, threading.Event())
    try:
        tasks = Path(f"/proc/{shared._child.pid}/task")
        assert not tasks.exists() or len(list(tasks.iterdir())) == 1, "a thread would not live on in the forks"
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda one: shared.lower(one, where, tmp_path / one.recipe.name, lambda line: None), plans))
    finally:
        shared.close()
    assert [line.rsplit(" ", 2)[0] for line in lines] == ["load", "evaluate eager", "export", "compare eager with exported"]
    for one, lowered in zip(plans, found, strict=True):
        alone = tmp_path / f"alone-{one.recipe.name}"
        assert job.run(one, where, alone) == lowered
        assert files(alone) == files(tmp_path / one.recipe.name)
    assert not children()


def test_models_from_one_imported_compiler_come_out_as_from_jobs_of_their_own(tiny_project, tmp_path):
    plans = {name: net(name, "int8") for name in ("Linear", "Nowhere")}
    where = project(tiny_project)
    shared = SharedJob((), where, print, threading.Event())
    try:
        tasks = Path(f"/proc/{shared._child.pid}/task")
        assert not tasks.exists() or len(list(tasks.iterdir())) == 1, "a thread would not live on in the forks"
        with ThreadPoolExecutor(2) as pool:
            found = {
                name: pool.submit(shared.lower, one, where, tmp_path / name, lambda line: None)
                for name, one in plans.items()
            }
        with pytest.raises(Failure) as caught:
            found["Nowhere"].result()
        assert caught.value.exit_code in (3, 4)
    finally:
        shared.close()
    assert job.run(plans["Linear"], where, tmp_path / "alone") == found["Linear"].result()
    assert files(tmp_path / "alone") == files(tmp_path / "Linear")
    assert not children()


def test_one_that_is_killed_takes_no_other_with_it(tiny_project, tmp_path):
    where = project(tiny_project)
    shared = SharedJob([FP32, INT8], where, print, threading.Event())
    before = set(children())
    try:
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(shared.lower, INT8, where, tmp_path / "int8", print)
            wait_for(lambda: set(children()) - before)
            os.kill(min(set(children()) - before), signal.SIGKILL)
            with pytest.raises(Failure) as caught:
                going.result()
        assert (caught.value.diagnostics[0].code, caught.value.exit_code) == ("job-killed", 8)
        assert shared.alive
        assert shared.lower(FP32, where, tmp_path / "fp32", print).pte_bytes
    finally:
        shared.close()
    assert not children()


def test_stop_ends_what_runs(tiny_project, tmp_path):
    stop = threading.Event()
    where = project(tiny_project)
    shared = SharedJob([FP32, INT8], where, print, stop)
    before = set(children())
    try:
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(shared.lower, INT8, where, tmp_path / "int8", print)
            wait_for(lambda: set(children()) - before)
            stop.set()
            with pytest.raises(CancelledError):
                going.result()
        wait_for(lambda: not set(children()) - before, 10)
    finally:
        shared.close()
    assert not children()


def test_a_model_that_does_not_open_is_the_parents_refusal(tiny_project):
    with pytest.raises(Failure) as caught:
        SharedJob([net("Nowhere"), net("Nowhere", "int8")], project(tiny_project), print, threading.Event())
    assert caught.value.exit_code in (3, 4)
    assert not children()


def test_what_happens_to_the_opened_process_ends_its_forks(tiny_project, tmp_path):
    where = project(tiny_project)
    shared = SharedJob([FP32, INT8], where, print, threading.Event())
    before = set(children())
    try:
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(shared.lower, INT8, where, tmp_path / "int8", print)
            wait_for(lambda: set(children()) - before)
            shared._child.kill()
            with pytest.raises(Failure) as caught:
                going.result()
        assert caught.value.diagnostics[0].code == "job-killed"
        end = time.monotonic() + 10
        while children() and time.monotonic() < end:
            time.sleep(0.1)
        assert not shared.alive
    finally:
        shared.close()
    assert not children()


HELPERS = """
import multiprocessing
import subprocess
import time

import torch


class Helped(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(16, 4)
        helper = multiprocessing.get_context("fork").Process(target=time.sleep, args=(77,), daemon=True)
        helper.start()
        other = subprocess.Popen(["sleep", "77"])
        with open(__file__ + ".pids", "a") as pids:
            pids.write(f"{helper.pid} {other.pid} ")

    def forward(self, x):
        return self.linear(x)
"""


def runs(pid):
    """Whether a process is there that is more than a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_what_a_model_starts_neither_holds_up_its_lowering_nor_outlives_it(tiny_project, tmp_path):
    (tiny_project / "helped.py").write_text(HELPERS)
    sha256 = hashlib.sha256(HELPERS.encode()).hexdigest()
    model = Choice(name="python", options={"entry": "helped:Helped"})
    one = replace(FP32, model=model, files={**FP32.files, "helped.py": sha256})
    where = project(tiny_project)
    shared = SharedJob((), where, print, threading.Event())
    before = set(children())
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(shared.lower, one, where, tmp_path / "one", print).result(timeout=120).pte_bytes
        pids = (tiny_project / "helped.py.pids").read_text().split()
        assert pids
        wait_for(lambda: not any(map(runs, pids)), 10)
        assert set(children()) == before
    finally:
        shared.close()
    assert not children()


def test_a_stop_ends_the_fork_before_the_lowering_returns(tiny_project, tmp_path):
    where, stop, told = project(tiny_project), threading.Event(), []
    shared = SharedJob((), where, print, threading.Event())
    before = set(children())

    def progress(line):
        told.append(line)
        stop.set()

    try:
        with pytest.raises(CancelledError):
            shared.lower(INT8, where, tmp_path / "int8", progress, stop)
        assert told and set(children()) == before
        assert shared.alive
    finally:
        shared.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_that_the_system_refuses_is_that_jobs_failure_alone(monkeypatch):
    ours, theirs = socket.socketpair()
    done, real, calls = [], os.fork, []

    def refused_once():
        calls.append(1)
        if len(calls) == 1:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return real()

    monkeypatch.setattr(os, "fork", refused_once)

    def work(stream):
        stream.write(b"done\n")
        stream.flush()

    with ours, theirs, tempfile.TemporaryFile() as words, ThreadPoolExecutor(1) as pool:
        serving = pool.submit(shared_job._serve, theirs, work)
        for _ in range(2):
            here, there = socket.socketpair()
            with here, there:
                socket.send_fds(ours, [b"+"], [there.fileno(), words.fileno()])
                there.close()
                done.append(here.makefile("rb").read())
        ours.close()
        serving.result(timeout=10)
    refused, answered = done
    assert b"job-killed" in refused and b"Resource temporarily unavailable" in refused and refused.endswith(b"ended 1\n")
    assert answered == b"done\nended 0\n"
