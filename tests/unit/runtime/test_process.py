"""What a child process inherits: what it needs, and nothing that changes results."""

import subprocess
import sys

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
