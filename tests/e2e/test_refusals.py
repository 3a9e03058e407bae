"""What a build refuses, interrupted or broken: the right exit code, a clear message, and out/ as it was."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

MODEL = """
import torch

class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, 4)

    def forward(self, x):
        return self.layer(x)

class Branches(Tiny):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x

class Sorts(Tiny):
    def forward(self, x):
        return torch.sort(self.layer(x)).values

class Constant(Tiny):
    def forward(self, x):
        return self.layer(x) * 0 + 1

class NotANumber(Tiny):
    def forward(self, x):
        return self.layer(x) / 0 - self.layer(x) / 0

def seeded(kind):
    torch.manual_seed(7)
    return globals()[kind]()

def slow():
    import time
    time.sleep(300)

def tiny(): return seeded("Tiny")
def branches(): return seeded("Branches")
def sorts(): return seeded("Sorts")
def constant(): return seeded("Constant")
def not_a_number(): return seeded("NotANumber")
"""

MANIFEST = """
apiVersion: edgec/v1
name: tiny
version: 0.1.0
model: {{source: python, entry: "nets:{entry}"}}
inputs: [{{name: x, shape: [1, 16], dtype: float32}}]
task: tensor
data:
  calibration: {{format: npz, path: data.npz}}
  evaluation: {{format: npz, path: data.npz}}
quantization: {recipe}
targets: [linux-x86_64]
budgets: {budgets}
"""


@pytest.fixture
def project(tmp_path):
    """A project of one tiny network; ``project(entry)`` writes its manifest and returns the path."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "nets.py").write_text(MODEL)
    np.savez(folder / "data.npz", x=np.random.default_rng(3).normal(size=(64, 16)).astype(np.float32))

    def write(entry="tiny", recipe="fp32", budgets="{}"):
        path = folder / "tiny.yaml"
        path.write_text(textwrap.dedent(MANIFEST.format(entry=entry, recipe=recipe, budgets=budgets)))
        return path

    return write


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(done, code, *words):
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in done.stdout + done.stderr, done.stderr


def test_code_runs_only_where_it_is_trusted(edgec, project):
    manifest = project()
    done = edgec("build", manifest)
    refused(done, 3, "code-not-trusted", "edgec.toml", "nets:tiny")
    assert not (manifest.parent / "out").exists()
    rule = done.stderr[done.stderr.index("[[allow]]") :]
    lines = [line.strip() for line in rule.splitlines() if line.strip().startswith(("[[allow]]", "entry", "sha256"))]
    (manifest.parent / "edgec.toml").write_text("\n".join(lines[:3]))
    assert edgec("build", manifest).returncode == 0
    (manifest.parent / "nets.py").write_text(MODEL + "\n# changed\n")
    refused(edgec("build", manifest), 3, "code-not-trusted")
    assert edgec("build", manifest, "--allow-code").returncode == 0


@pytest.mark.parametrize(
    ("entry", "code", "word"),
    [
        ("branches", 4, "export-failed"),
        ("sorts", 4, "operator-unavailable"),
        ("constant", 4, "constant-output"),
        ("not_a_number", 4, "non-finite"),
        ("tinny", 3, "tiny"),
    ],
)
def test_a_model_that_cannot_ship_is_refused_by_name(edgec, project, entry, code, word):
    manifest = project(entry)
    refused(edgec("build", manifest, "--allow-code"), code, word)
    assert not (manifest.parent / "out").exists()


def test_a_missed_budget_keeps_its_artifacts_aside(edgec, project):
    manifest = project(budgets="{size: 1kB}")
    refused(edgec("build", manifest, "--allow-code"), 5, "budget-missed", "size", "relaxation")
    out = manifest.parent / "out"
    assert (out / "rejected" / "tiny" / "0.1.0" / "linux-x86_64" / "model.pte").is_file()
    assert not (out / "tiny").exists()
    assert not list(out.glob("*.tar.gz"))


def test_an_inconclusive_budget_fails_only_under_strict(edgec, project):
    """64 samples cannot prove a drop of at most 0.1 percentage points, even when none changed."""
    manifest = project(budgets="{accuracy: {metric: agreement, max_drop: 0.1%}}")
    loose = edgec("build", manifest, "--allow-code")
    assert loose.returncode == 0, loose.stderr
    assert "warning[budget-inconclusive]" in loose.stderr
    refused(edgec("build", manifest, "--allow-code", "--strict"), 5, "error[budget-inconclusive]")


def test_no_compiler_on_the_machine(edgec, project, tmp_path):
    manifest = project()
    done = edgec("build", manifest, "--allow-code", "--no-cache", PATH=str(tmp_path))
    refused(done, 6, "tool-missing", "g++")
    assert not (manifest.parent / "out").exists()


def test_a_full_disk_changes_nothing(edgec, project, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    manifest = project()
    out = tmp_path / "small"
    out.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(out)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        (out / "kept").write_text("as it was")
        done = edgec("build", manifest, "--allow-code", "--out", out)
        refused(done, 8, "disk")
        assert tree(out) == {"kept": b"as it was"}
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_out_that_cannot_be_written(edgec, project, tmp_path):
    manifest = project()
    (tmp_path / "file").write_text("not a folder")
    done = edgec("build", manifest, "--allow-code", "--out", tmp_path / "file" / "out")
    refused(done, 8)


def lowering_processes(marker):
    """Processes of a build that carries ``marker`` in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def start(manifest, cache, marker):
    environment = {**os.environ, "EDGEC_CACHE": str(cache), "EDGEC_TEST_MARKER": marker}
    command = [sys.executable, "-m", "edgec", "build", str(manifest), "--allow-code"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(lowering_processes(marker)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    return process


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow)])
def test_an_interrupted_build_leaves_no_process_and_no_bundle(edgec, project, tmp_path, end, code):
    manifest = project("slow")
    marker = f"edgec-test-{tmp_path.name}-{end}"
    process = start(manifest, tmp_path / "cache", marker)
    process.send_signal(end)
    _, words = process.communicate(timeout=60)
    assert process.returncode == code, words
    assert "Traceback" not in words
    deadline = time.monotonic() + 20
    while lowering_processes(marker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not lowering_processes(marker)
    assert not (manifest.parent / "out" / "tiny").exists()
    shutil.rmtree(tmp_path / "cache" / "locks", ignore_errors=True)
    again = edgec("build", project("tiny"), "--allow-code", EDGEC_CACHE=str(tmp_path / "cache"))
    assert again.returncode == 0, again.stderr
