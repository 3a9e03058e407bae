"""Instructions per inference of the camera's own runner, under a real qemu with the plugin compiled here."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgec import job, pipeline
from edgec.runtime import instructions as module
from edgec.runtime.runner import runner_for
from edgec.stages.plan import plan as expand
from edgec.store.cache import Cache
from edgec.store.files import sha256_of
from edgec.targets.table import TARGETS

NOISE = 1000
"""Instructions that may differ from run to run."""

pytestmark = pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="qemu-user is not installed")


@pytest.fixture(scope="session")
def counted(camera, cache_folder):
    """A function that counts the camera's instructions on the Nano, with fields of the target changed."""
    cache = Cache(folder=cache_folder)
    (made,) = (item for item in expand(pipeline.front(Path("manifests/camera.yaml"))) if item.target.name == "jetson-nano")
    digest = sha256_of(camera.folder("jetson-nano") / "model.pte")
    entries = [(job.read_lowered(path.parent), path.parent) for path in cache_folder.glob("lowered/*/lowered.json")]
    lowered, folder = next(entry for entry in entries if entry[0].pte_sha256 == digest)
    runner = runner_for(made.target, lowered.backends, lowered.kernels, cache, offline=True)
    assert set(runner.sha256) == {runner.executable, *runner.libraries} and all(runner.sha256.values())

    def count(**changes):
        plan = replace(made, target=replace(made.target, **changes))
        return module.instructions(plan, lowered, folder, runner, cache)

    return count


def test_two_counts_agree_and_the_second_compiles_nothing(counted, cache_folder, monkeypatch):
    first = counted()
    assert len(list((cache_folder / "plugin").glob("[0-9a-f]*"))) == 1
    monkeypatch.setattr(module, "_compiled", None)
    second = counted()
    # MobileNetV2 at width 0.5 and 96 x 96 has 18 million multiply-adds, four of which fit one instruction.
    assert 4e6 < first.value < 18e6
    assert abs(first.value - second.value) < NOISE and first.detail["spread"] < NOISE
    assert (first.evidence, first.detail["cpu"]) == ("estimated", "cortex-a57")


def test_a_cpu_with_dot_products_needs_fewer_instructions_for_int8(counted):
    """Its /proc/cpuinfo decides which of XNNPACK's kernels run: with the A57's, nothing is saved."""
    faster = counted(qemu_cpu="cortex-a76", features=("asimd", "asimddp", "asimdhp"), cpuinfo=("0x41", "0x3", "0xd0b"))
    assert faster.value < 0.75 * counted().value


def test_a_qemu_that_takes_no_plugins_gives_no_figure(counted, monkeypatch, caplog):
    monkeypatch.setattr(module, "_plugin", lambda interface, cache, scratch: Path("/nowhere/plugin.so"))
    with caplog.at_level(logging.WARNING):
        assert counted() is None
    assert "Could not load plugin" in caplog.text


def test_the_hosts_architecture_is_counted_too():
    found = module.missing(TARGETS["linux-x86_64"])
    assert found is None or "qemu-user" in found or "g++" in found
