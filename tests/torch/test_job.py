"""The job as the parent sees it: what it writes, what it relays, and that nothing outlives it."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from plans import plan, project, tensor
from safetensors.numpy import save_file

from edgec import job
from edgec.artifacts.manifest import Choice, Data
from edgec.diagnostics import Failure

INPUTS = (tensor("x", 1, 16),)


def net(name, **options):
    return plan(Choice(name="python", options={"entry": f"nets:{name}", **options}), INPUTS)


def children():
    """Process ids of every job and session on this machine that this test's process started, however deep."""
    found = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()[1:]]
    mine = {os.getpid()}
    for _ in range(4):
        mine |= {int(pid) for pid, parent, _ in rows if int(parent) in mine}
    return [int(pid) for pid, _, words in rows if int(pid) in mine and "edgec." in words]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()


def test_a_job_writes_its_record_and_tells_of_each_step(tiny_project, tmp_path):
    lines = []
    (tmp_path / "job").mkdir()
    # Not on the child's path: no file of the job's folder shadows a module of Python or of edgec.
    (tmp_path / "job" / "json.py").write_text("raise RuntimeError('shadowed')")
    generator = np.random.default_rng(0)
    shapes = {"layers.0.weight": (32, 16), "layers.0.bias": 32, "layers.2.weight": (4, 32), "layers.2.bias": 4}
    tensors = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(tensors, tiny_project / "linear.safetensors")
    sha256 = hashlib.sha256((tiny_project / "linear.safetensors").read_bytes()).hexdigest()
    made = net("Linear", weights={"file": "linear.safetensors", "sha256": sha256})
    found = job.run(made, project(tiny_project), tmp_path / "job", lines.append)
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "load", "export", "compare eager with exported", "rewrite", "quantize", "lower",
        "compare with the artifact in a fresh process", "evaluate",
    ]  # fmt: skip
    assert found == job.read_lowered(tmp_path / "job")
    assert found.weights_file_sha256 == sha256 != found.weights_sha256
    assert found.pte_bytes == (tmp_path / "job" / "model.pte").stat().st_size
    assert not children()


def test_the_childs_refusal_is_the_parents(tiny_project, tmp_path):
    with pytest.raises(Failure) as caught:
        job.run(net("Constant"), project(tiny_project), tmp_path)
    assert caught.value.diagnostics[0].code == "constant-output"
    assert caught.value.exit_code == 4


def test_a_child_that_is_killed_is_said_so(tiny_project, tmp_path):
    with pytest.raises(Failure) as caught:
        job.run(net("Dies"), project(tiny_project), tmp_path)
    assert (caught.value.diagnostics[0].code, caught.value.exit_code) == ("job-killed", 8)
    assert "SIGKILL" in caught.value.diagnostics[0].message
    assert not children()


def test_a_child_that_ends_without_an_answer_is_told_with_its_last_words(tiny_project, tmp_path):
    with pytest.raises(Failure) as caught:
        job.run(net("Exits"), project(tiny_project), tmp_path)
    finding = caught.value.diagnostics[0]
    assert (finding.code, finding.exit_code) == ("job-died", 4)
    assert "exit code 3 before its first step was done: last words" in finding.message


def test_a_crash_in_native_code_names_the_models_own_line(tiny_project, tmp_path):
    with pytest.raises(Failure) as caught:
        job.run(net("Crashes"), project(tiny_project), tmp_path)
    (finding,) = caught.value.diagnostics
    assert finding.code == "job-died" and "SIGSEGV" in finding.message
    assert re.search(r"nets\.py:\d+, in forward$", finding.message)


def test_setting_stop_ends_a_job_from_another_thread(tiny_project, tmp_path):
    stop = threading.Event()
    threading.Thread(target=lambda: (wait_for((tmp_path / "sleeping").exists), stop.set())).start()
    with pytest.raises(CancelledError):
        job.run(net("Sleeps"), project(tiny_project), tmp_path, stop=stop)
    assert not children()


PARENT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_job import net
from plans import project
from edgec import job
job.run(net("Sleeps"), project(Path({project!r})), Path({folder!r}))
"""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_the_job_ends_with_its_parent(kind, tiny_project, tmp_path):
    code = PARENT.format(tests=str(Path(__file__).parent), project=str(tiny_project), folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_for((tmp_path / "sleeping").exists)
    jobs = [pid for pid in children() if pid != parent.pid]
    assert len(jobs) == 2  # the job and its session
    parent.send_signal(kind)
    parent.wait(timeout=20)
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and _alive(pid) for pid in jobs), 10)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_data_outside_the_root_stays_there(tiny_project, tmp_path):
    from dataclasses import replace

    made = replace(net("Linear"), data=(Data(role="evaluation", format="npz", options={"path": "../vectors.npz"}),))
    with pytest.raises(Failure) as caught:
        job.run(made, project(tiny_project), tmp_path)
    assert caught.value.diagnostics[0].code == "path-outside-root"
