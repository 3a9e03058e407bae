"""What a child process inherits, what it needs and nothing that changes results; and that a command ends with who runs it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgec.resources import PACKAGE
from edgec.runtime import process


@pytest.mark.parametrize(
    "name", ["ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "TORCH_LOGS", "PYTHONOPTIMIZE", "LD_PRELOAD"]
)
def test_what_changes_results_does_not_leak_in(name, monkeypatch):
    monkeypatch.setenv(name, "1")
    assert name not in process.environment()


@pytest.mark.parametrize("name", ["PATH", "HOME", "TMPDIR", "https_proxy", "SSL_CERT_FILE", "EDGEC_TEST_MARKER", "EDGEC_CACHE"])
def test_what_a_child_needs_is_passed(name, monkeypatch):
    monkeypatch.setenv(name, "value")
    assert process.environment()[name] == "value"


def test_results_depend_on_no_locale_hash_order_or_core_count(monkeypatch):
    for name in ("LC_ALL", "PYTHONHASHSEED", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    found = process.environment()
    assert (found["LC_ALL"], found["PYTHONHASHSEED"], found["OMP_NUM_THREADS"]) == ("C.UTF-8", "0", "1")


def test_of_pythonpath_only_edgecs_own_place_is_left(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{PACKAGE.parent}")
    assert process.environment()["PYTHONPATH"] == str(PACKAGE.parent)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "PYTHONPATH" not in process.environment()


def test_a_child_can_import_edgec():
    code = "import edgec.job"
    assert subprocess.run([sys.executable, "-c", code], env=process.environment(), check=False).returncode == 0


def test_a_bound_that_is_passed_already_is_told():
    with pytest.raises(MemoryError, match="before it begins, and may map 1 MB"):
        process.bound_memory(1_000_000)


TWO = "sleep 77 & echo $! $$ > {place}.new; mv {place}.new {place}; sleep 77"
"""A shell that starts two processes, and writes down those that are left when only it is killed."""


def numbers(place):
    """The process ids in ``place``, once they are there."""
    deadline = time.monotonic() + 20
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return [int(word) for word in place.read_text().split()]


def left(pids):
    """Those of ``pids`` that still run; a zombie, which nobody in a container may wait for, does not."""
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]


def gone(pids):
    deadline = time.monotonic() + 10
    while left(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not left(pids)


def test_a_command_comes_back_with_what_it_said():
    done = process.run(["sh", "-c", "echo out; echo said >&2; exit 3"], seconds=20)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "said\n")
    assert process.run(["sh", "-c", "kill -9 $$"], seconds=20).returncode == -signal.SIGKILL
    assert process.run(["sh", "-c", "kill -SEGV $$"], seconds=20).returncode == -signal.SIGSEGV
    absent = process.run(["edgec-no-such-command"], seconds=20)
    assert absent.returncode == 127 and "edgec-no-such-command: No such file" in absent.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process of its parent's end")
def test_a_command_ends_whole_with_the_process_that_runs_it(tmp_path):
    place = tmp_path / "pids"
    code = f"from edgec.runtime import process; process.run(['sh', '-c', {TWO.format(place=place)!r}], seconds=60)"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        pids = numbers(place)
        assert len(pids) == 2 and left(pids) == pids
        parent.send_signal(signal.SIGKILL)
    assert gone(pids)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_a_command_ends_whole_when_it_is_stopped_or_takes_too_long(tmp_path):
    stop, place = threading.Event(), tmp_path / "stopped"
    threading.Timer(0.5, stop.set).start()
    done = process.run(["sh", "-c", TWO.format(place=place)], seconds=60, stop=stop)
    assert done.returncode == -signal.SIGKILL and gone(numbers(place))
    place = tmp_path / "late"
    with pytest.raises(subprocess.TimeoutExpired):
        process.run(["sh", "-c", TWO.format(place=place)], seconds=0.5)
    assert gone(numbers(place))
