"""What is made of a counter's marks, and what is told where nothing can be counted; shell scripts play qemu here."""

import logging
from dataclasses import replace

import pytest

import bundle_parts
from edgec.artifacts.manifest import Dimension
from edgec.diagnostics import Diagnostic, Failure
from edgec.runtime import instructions as module
from edgec.runtime.emulate import Emulator
from edgec.targets.table import JETSON_NANO

MARKS = "100 1100 1150 2160 2200 3205"
SCRIPT = """#!/bin/sh
test "$1" = -version && echo "qemu-aarch64 version {version}" && exit
echo "$*" > {told}
fd=$(echo "$*" | sed -n 's/.*fd=\\([0-9]*\\),.*/\\1/p')
{doing}
"""
WRITE = 'for mark in {marks}; do echo $mark >> "/proc/self/fd/$fd"; done'
STEADY = WRITE.format(marks=MARKS)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A function that counts with a qemu that does as it is told."""
    artifact = bundle_parts.lowered(tmp_path / "job")
    runner = bundle_parts.runner(tmp_path / "runner")
    monkeypatch.setattr(module, "_compiled", lambda interface, folder: folder / f"version{interface},odd.so")

    def count(doing=STEADY, version="7.2.22", **changes):
        qemu = tmp_path / "qemu"
        qemu.write_text(SCRIPT.format(version=version, doing=doing, told=tmp_path / "told"))
        qemu.chmod(0o755)
        place = Emulator(command=(str(qemu), "-cpu", "cortex-a57"), cpuinfo=tmp_path)
        monkeypatch.setattr(module, "emulator", lambda target, workdir: place)
        plan = bundle_parts.plan(target=JETSON_NANO, **changes)
        return module.instructions(plan, artifact, tmp_path / "job", runner)

    return count


def test_the_median_of_what_lies_between_two_marks_counts(counted):
    found = counted()
    assert (found.name, found.value, found.unit, found.evidence) == ("instructions", 1005, "instructions", "estimated")
    assert found.detail == {"cpu": "cortex-a57", "threads": 1, "iterations": 3, "spread": 10}
    assert not found.clocked


def test_the_runner_is_asked_for_marks_on_one_thread_and_qemu_for_the_plugin(counted, tmp_path):
    counted()
    told = (tmp_path / "told").read_text()
    assert told.startswith("-cpu cortex-a57 -plugin file=") and "version1,,odd.so,fd=" in told and ",marker=173 " in told
    assert told.rstrip().endswith("bin/edgec-run --bench --mark --threads 1 --warmup 1 --samples 3")


def test_from_version_9_qemu_wants_its_second_plugin_interface(counted, tmp_path):
    counted(version="9.2.0 (Debian 1:9.2)")
    assert "version2,,odd.so" in (tmp_path / "told").read_text()


def test_a_dynamic_input_is_counted_over_the_golden_vectors(counted, tmp_path):
    (image,) = bundle_parts.plan().inputs
    dynamic = replace(image, shape=(*image.shape[:1], Dimension(minimum=1, maximum=2), *image.shape[2:]))
    found = counted(WRITE.format(marks="5 12"), inputs=(dynamic,))
    assert (found.value, found.samples) == (7, 1)
    assert (tmp_path / "told").read_text().rstrip().endswith("--samples 1")


@pytest.mark.parametrize(
    ("doing", "version", "why"),
    [
        ("echo 'qemu-aarch64: Could not load plugin x: not found' >&2; exit 1", "7.2.22", "Could not load plugin x"),
        ("exec sleep 30", "7.2.22", "took over 0 s"),
        ("true", "unknown", "does not tell its version"),
    ],
)
def test_where_nothing_can_be_counted_there_is_no_figure_and_the_log_says_why(
    counted, monkeypatch, caplog, doing, version, why
):
    if "sleep" in doing:
        monkeypatch.setattr(module, "TIME_LIMIT_SECONDS", 0.3)
    with caplog.at_level(logging.WARNING):
        assert counted(doing, version) is None
    assert why in caplog.text and "jetson-nano" in caplog.text


@pytest.mark.parametrize("doing", ["echo 'edgec-run: error: no such kernel' >&2; exit 4", WRITE.format(marks="100 200")])
def test_a_runner_that_refuses_the_artifact_fails(counted, doing):
    with pytest.raises(Failure, match=r"no such kernel|after 2 of 6 marks") as caught:
        counted(doing)
    assert caught.value.diagnostics[0].code == "runner-failed"


def test_what_is_missing_is_told_before_anything_is_tried(counted, monkeypatch):
    counted()
    assert module.missing(JETSON_NANO) is None
    assert "riscv64" in module.missing(replace(JETSON_NANO, architecture="riscv64"))

    def absent(target, workdir):
        raise Failure(Diagnostic(code="tool-missing", message="no qemu-user here"))

    monkeypatch.setattr(module, "emulator", absent)
    assert module.missing(JETSON_NANO) == "no qemu-user here"
