"""The rows hold together: a core's facts are the row's, peaks follow from them, and every kind of bundle has its templates."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgec.artifacts.manifest import TargetChoice
from edgec.artifacts.settings import Settings
from edgec.pipeline import front, planned
from edgec.registry import KINDS
from edgec.stages.plan import absent
from edgec.targets.cpus import CPUS, GENERIC, with_cpu
from edgec.targets.table import JETSON_NANO, TARGETS

ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    *("jetson-nano", "jetson-orin-nano", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2w"),
    *("linux-x86_64", "linux-x86_64-avx2", "linux-x86_64-avx512", "linux-aarch64"),
    *("android-arm64", "ios", "macos-arm64", "corstone-300", "corstone-320", "cortex-m4"),
]


@pytest.fixture(scope="module")
def nano():
    work, failed = planned([front(ROOT / "manifests" / "camera.yaml")], Settings(targets=("jetson-nano",)))
    assert not failed
    return work[0][0]


def test_every_row_stands_in_the_table():
    assert list(TARGETS) == NAMES


@pytest.mark.parametrize("row", TARGETS.values(), ids=lambda row: row.name)
def test_a_row_is_what_its_core_is(row):
    assert with_cpu(row, CPUS[row.cpu]) == row
    assert row.threads <= row.cores and row.memory > 0 and row.sources and row.delegates
    assert (row.glibc != "") == (row.kind == "linux-native")
    assert (row.flash > 0) == (row.kind == "microcontroller")
    if row.kind == "linux-native":
        assert row.qemu_cpu or row.emulation
        assert bool(row.clock and row.bandwidth) != (row.cpu in GENERIC), "a board has a speed, a kind of machine has none"


@pytest.mark.parametrize("cpu", CPUS.values(), ids=lambda cpu: cpu.name)
def test_a_core_says_what_stands_in_for_it(cpu):
    assert cpu.qemu_cpu != "max"
    assert cpu.sources
    if cpu.qemu_cpu in CPUS and cpu.qemu_cpu != cpu.name:
        assert CPUS[cpu.qemu_cpu].features == cpu.features and cpu.qemu_cpu in cpu.emulation
    if not cpu.qemu_cpu:
        assert cpu.emulation


def test_cores_times_clock_times_macs_a_cycle_is_the_peak():
    assert JETSON_NANO.peak("fp32", 4) == 4 * 1.43e9 * 4
    assert JETSON_NANO.peak("int8", 1) == 1.43e9 * 8
    assert JETSON_NANO.peak_words("int8", 4) == "4 cores x 1.43 GHz x 8 MACs a cycle"


def test_what_is_beside_the_cores_adds_to_their_peak():
    row = TARGETS["corstone-300"]
    assert row.peak("int8", 1) == 500e6 * 8 + 64e9
    assert row.peak_words("int8", 1) == "1 core x 0.5 GHz x 8 MACs a cycle + 64 G/s of ethos-u55-128"


def test_a_row_for_any_machine_has_no_peak():
    assert TARGETS["linux-aarch64"].peak("fp32", 2) is None


def test_another_core_changes_what_goes_with_it():
    other = with_cpu(JETSON_NANO, CPUS["cortex-a76"])
    assert (other.features, other.qemu_cpu, other.cpuinfo[2]) == (("asimd", "asimdhp", "asimddp"), "cortex-a76", "0xd0b")
    assert other.peak("int8", 4) == 4 * 1.43e9 * 32
    assert (other.name, other.memory, other.clock) == (JETSON_NANO.name, JETSON_NANO.memory, JETSON_NANO.clock)


def test_a_devices_cpu_reaches_its_plan():
    checked = front(ROOT / "manifests" / "camera.yaml")
    choice = TargetChoice(name="door", base="linux-aarch64", cpu="cortex-a73")
    manifest = replace(checked.manifest, targets=(choice,))
    ((plan, _),) = planned([replace(checked, manifest=manifest)], Settings())[0]
    assert (plan.target.name, plan.target.cpu, plan.target.qemu_cpu) == ("door", "cortex-a73", "cortex-a72")
    assert plan.target.cpuinfo == ("0x41", "0x0", "0xd09")


@pytest.mark.parametrize("row", TARGETS.values(), ids=lambda row: row.name)
def test_a_row_s_kind_of_bundle_can_be_built(nano, row):
    assert row.kind in KINDS
    assert absent(replace(nano, target=row)) is None
