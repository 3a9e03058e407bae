"""A part of the target sweep: a bundle for one foreign core and one level of this architecture, each verified."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="qemu-user is not installed"),
]


def test_each_cell_is_verified_on_the_targets_own_core(tmp_path, cache_folder, monkeypatch):
    monkeypatch.setenv("EDGEC_CACHE", str(cache_folder))
    results, wanted = tmp_path / "results.jsonl", ["raspberry-pi-4", "raspberry-pi-5", "linux-x86_64-avx2"]
    command = [sys.executable, str(ROOT / "benchmarks" / "targets.py"), "--no-table", "--results", str(results)]
    command += ["--delegates", "xnnpack", "--recipes", "int8", "--targets", *wanted]
    subprocess.run(command, check=True, cwd=ROOT)
    cells = {cell["target"]: cell for cell in map(json.loads, results.read_text().splitlines())}
    assert set(cells) == set(wanted)
    for name, core in (("raspberry-pi-4", "cortex-a72"), ("raspberry-pi-5", "cortex-a76")):
        (found,) = cells[name]["verified"]
        assert (found["evidence"], found["cpu"], found["passed"], found["error"]) == ("emulated", core, True, 0.0)
    assert all(item["passed"] for item in cells["linux-x86_64-avx2"]["verified"])
    subprocess.run(command, check=True, cwd=ROOT)
    assert len(results.read_text().splitlines()) == len(wanted), "a cell that has a line is not built again"
