"""A float16 artifact with narrow filters on Arm CPUs: without float16 arithmetic (A57) and with it (A76), under qemu."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edgec import job, pipeline
from edgec.runtime.bench import bundle_folder
from edgec.runtime.emulate import emulator
from edgec.runtime.runner import runner_for
from edgec.stages.plan import plan as expand
from edgec.store.cache import Cache

ROOT = Path(__file__).resolve().parents[2]
A76 = {"qemu_cpu": "cortex-a76", "features": ("asimd", "asimddp", "asimdhp"), "cpuinfo": ("0x41", "0x3", "0xd0b")}
pytestmark = pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="qemu-user is not installed")


@pytest.fixture(scope="module")
def half(edgec, cache_folder, tmp_path_factory):
    """The plan, the job's record and folder, and the cache that holds them."""
    project = tmp_path_factory.mktemp("half") / "manifests"
    shutil.copytree(ROOT / "manifests", project)
    text = (project / "camera.yaml").read_text()
    for old, new in (("{recipe: int8}", "fp16"), ("[jetson-nano, linux-x86_64]", "[jetson-nano]")):
        assert old in text
        text = text.replace(old, new)
    (project / "half.yaml").write_text(text)
    done = edgec("build", project / "half.yaml", "--root", project)
    assert done.returncode == 0, done.stderr
    (made,) = expand(pipeline.front(project / "half.yaml", project))
    cache = Cache(folder=cache_folder)
    folder = cache.read("lowered", made.lowering_key)
    return made, job.read_lowered(folder), folder, cache


def test_it_is_one_delegate_and_half_the_weights(half):
    _, lowered, _, _ = half
    assert lowered.kernels == () and lowered.backends == ("XnnpackBackend",)
    assert "float16" not in lowered.resolved
    assert lowered.pte_bytes < 2.2 * lowered.parameters


@pytest.mark.parametrize("changes", [{}, A76], ids=["a57", "a76"])
def test_the_golden_vectors_hold(half, changes, tmp_path):
    made, lowered, folder, cache = half
    made = replace(made, target=replace(made.target, **changes))
    runner = runner_for(made.target, lowered.backends, lowered.kernels, cache, offline=True)
    with bundle_folder(made, lowered, folder, runner) as place:
        command = [*emulator(made.target, tmp_path).command, str(place / "bin" / "edgec-run")]
        done = subprocess.run(
            [*command, "--self-test", "--no-bench", "--evidence", "emulated"], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    golden = json.loads(done.stdout)["golden"]
    assert golden["passed"] and golden["vectors"] == len(lowered.golden)
