"""The emulator's command and cpuinfo, and which targets this machine runs itself."""

import dataclasses

import pytest

from edgec.diagnostics import Failure
from edgec.runtime import emulate, host
from edgec.targets.cpus import CPUS, with_cpu
from edgec.targets.table import JETSON_NANO, LINUX_X86_64, TARGETS

CPUINFO = "processor\t: 0\nflags\t\t: fpu sse2 avx2\nmodel name\t: Some CPU\n\nprocessor\t: 1\nflags\t\t: fpu\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """An x86-64 Linux machine with CPUINFO and glibc 2.36."""
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    monkeypatch.setattr(host, "CPUINFO", path)
    monkeypatch.setattr(host.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(host.platform, "system", lambda: "Linux")
    monkeypatch.setattr(host.os, "confstr", lambda name: "glibc 2.36")


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """A machine with qemu and a cross C library."""
    system = tmp_path / "system"
    (system / "lib").mkdir(parents=True)
    monkeypatch.setattr(emulate.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(emulate, "_system", lambda architecture: system)
    return system


def test_any_machine_of_the_architecture_is_the_generic_rows_kind(machine):
    assert host.same_kind(dataclasses.replace(LINUX_X86_64, features=("sse2", "avx2")))
    assert not host.same_kind(JETSON_NANO)


def test_a_machine_without_what_a_delegate_needs_is_another_kind(machine):
    assert host.same_kind(dataclasses.replace(LINUX_X86_64, needs=("avx2",)))
    assert not host.same_kind(dataclasses.replace(LINUX_X86_64, needs=("avx512f",)))


@pytest.mark.parametrize("part", ["0xd07", "0xd40"])
def test_an_arm_server_is_no_jetson_nano(machine, monkeypatch, tmp_path, part):
    """It runs the Nano's programs, and its speed is not the Nano's."""
    text = f"processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: {part}\n"
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(host.platform, "machine", lambda: "aarch64")
    assert host.same_kind(JETSON_NANO) == (part == "0xd07")


def test_a_row_with_a_cpu_of_its_own_is_another_kind(machine):
    assert not host.same_kind(dataclasses.replace(LINUX_X86_64, cpu="atom"))


@pytest.mark.parametrize("change", [{"features": ("sse2", "avx512f")}, {"glibc": "2.38"}])
def test_a_missing_feature_or_newer_glibc_is_another_kind(machine, change):
    assert not host.same_kind(dataclasses.replace(LINUX_X86_64, **change))


def test_a_level_of_the_architecture_is_no_more_than_that_level(machine):
    """With AVX-512 other kernels run than with AVX2: such a machine's clock says nothing of one without."""
    level = dataclasses.replace(LINUX_X86_64, cpu="x86-64-v3", features=("sse2",), beyond=("avx512f",))
    assert host.same_kind(level)
    assert not host.same_kind(dataclasses.replace(level, beyond=("avx2",)))


def test_another_systems_device_is_another_kind(machine):
    assert not host.same_kind(dataclasses.replace(LINUX_X86_64, kind="android"))


def test_arm_features_are_read_too():
    assert host.features("processor : 0\nFeatures\t: fp asimd\n") == {"fp", "asimd"}
    assert host.features("") == set()


def test_the_command_names_the_cpu_and_the_root(tools, tmp_path):
    found = emulate.emulator(JETSON_NANO, tmp_path / "work")
    program, *rest = found.command
    assert program.endswith("qemu-aarch64")
    assert rest[:2] == ["-cpu", "cortex-a57"] and rest[2] == "-L"
    assert found.cpuinfo.is_relative_to(rest[3]) and found.cpuinfo.name == "cpuinfo"
    assert (found.cpuinfo.parents[1] / "lib").resolve() == tools / "lib"
    assert emulate.emulator(JETSON_NANO, tmp_path / "work") == found


def test_cpuinfo_is_the_targets():
    text = emulate.cpuinfo_text(JETSON_NANO)
    assert text.count("processor\t: ") == JETSON_NANO.cores
    assert "CPU implementer\t: 0x41\n" in text and "CPU part\t: 0xd07\n" in text
    assert host.features(text) == set(JETSON_NANO.features)
    assert host.features(emulate.cpuinfo_text(LINUX_X86_64)) == set(LINUX_X86_64.features)


def test_cpu_max_is_never_used(tools, tmp_path):
    with pytest.raises(ValueError, match="max"):
        emulate.emulator(dataclasses.replace(JETSON_NANO, qemu_cpu="max"), tmp_path)


@pytest.mark.parametrize("name", ["android-arm64", "ios", "cortex-m4", "linux-x86_64-avx512"])
def test_what_qemu_user_cannot_run_is_refused_with_the_reason(tools, tmp_path, name):
    with pytest.raises(Failure) as caught:
        emulate.emulator(TARGETS[name], tmp_path)
    (found,) = caught.value.diagnostics
    assert found.code == "tool-missing" and found.hint is None
    assert TARGETS[name].emulation or "not for Linux" in found.message


def test_a_cpu_that_this_qemu_does_not_know_is_refused_with_the_reason(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(emulate, "_cpus", lambda program: frozenset({"cortex-a57", "cortex-a76"}))
    assert "cortex-a57" in emulate.emulator(JETSON_NANO, tmp_path).command
    modern = with_cpu(JETSON_NANO, CPUS["neoverse-v1"])
    with pytest.raises(Failure) as caught:
        emulate.emulator(modern, tmp_path)
    (found,) = caught.value.diagnostics
    assert found.code == "tool-missing" and "does not know neoverse-v1" in found.message and "SVE" in found.message
    monkeypatch.setattr(emulate, "_cpus", lambda program: frozenset({"neoverse-v1"}))
    assert "neoverse-v1" in emulate.emulator(modern, tmp_path).command


def test_what_is_missing_is_named_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(emulate.shutil, "which", lambda name: None)
    monkeypatch.setattr(emulate, "_system", lambda architecture: None)
    with pytest.raises(Failure) as caught:
        emulate.emulator(JETSON_NANO, tmp_path)
    (found,) = caught.value.diagnostics
    assert found.code == "tool-missing" and "qemu-user and g++-aarch64-linux-gnu" in found.message
    assert found.hint == "run: apt-get install -y qemu-user g++-aarch64-linux-gnu"


def test_a_place_is_native_or_emulated(machine, tools, monkeypatch):
    with emulate.place_for(LINUX_X86_64) as place:
        assert place.evidence == "host" and place.emulator == ()
    with emulate.place_for(JETSON_NANO) as place:
        assert place.evidence == "emulated" and "cortex-a57" in place.emulator
        assert "0xd07" in open(place.environment["EDGEC_CPUINFO"]).read()  # noqa: PTH123, SIM115
