"""Target files: merged entry over file over base, found relative to the file that names them, each key's place remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgec.artifacts.codec import to_json
from edgec.artifacts.profile import Profile
from edgec.artifacts.settings import Settings
from edgec.cli import group
from edgec.diagnostics import Failure
from edgec.pipeline import front, fronts, planned
from edgec.stages.predict import predict
from edgec.targets.table import TARGETS

MANIFEST = """apiVersion: edgec/v1
name: trial
version: 1.0.0
model: {source: torchvision, name: mobilenet_v3_small, weights: DEFAULT}
inputs:
  - {name: image, image: {width: 32, height: 32}}
task: tensor
targets: [%s]
"""
BOARD = """apiVersion: edgec/v1
kind: Target
name: board
base: linux-aarch64
cpu: cortex-a72
cores: 4
clock: 1.5GHz
memory: 4GB
"""
DOOR = """apiVersion: edgec/v1
kind: Target
name: door
base: {file: boards/board.yaml}
memory: 2GB
bandwidth: 12.8GB/s
glibc: "2.31"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "devices" / "boards").mkdir(parents=True)
    (tmp_path / "devices" / "boards" / "board.yaml").write_text(BOARD)
    (tmp_path / "devices" / "door.yaml").write_text(DOOR)
    return tmp_path


def manifest(project: Path, entry: str) -> Path:
    path = project / "manifest.yaml"
    path.write_text(MANIFEST % entry)
    return path


def target(project: Path, entry: str):  # type: ignore[no-untyped-def]
    ((plan, _),), failed = planned([front(manifest(project, entry), project)], Settings())
    assert not failed
    return plan


def test_the_entry_wins_over_the_file_and_the_file_over_its_base(project: Path) -> None:
    plan = target(project, "{file: devices/door.yaml, clock: 1.8GHz}")
    found = plan.target
    assert (found.name, found.cpu, found.cores, plan.threads) == ("door", "cortex-a72", 4, 4)
    assert (found.memory, found.clock, found.bandwidth, found.glibc) == (2e9, 1.8e9, 12.8e9, "2.31")
    assert found.qemu_cpu == "cortex-a72" and found.kind == TARGETS["linux-aarch64"].kind
    assert sorted(plan.target_files) == ["devices/boards/board.yaml", "devices/door.yaml"]


def test_flash_is_overridden_as_memory_is(project: Path) -> None:
    (project / "devices" / "sensor.yaml").write_text(
        "apiVersion: edgec/v1\nkind: Target\nname: sensor\nbase: cortex-m4\nmemory: 96KiB\nflash: 512KiB\n"
    )
    found = target(project, "{file: devices/sensor.yaml, delegate: portable}").target
    assert (found.memory, found.flash) == (96 * 1024, 512 * 1024)
    assert target(project, "{name: meter, base: cortex-m4, flash: 2MB, delegate: portable}").target.flash == 2_000_000


@pytest.mark.parametrize(
    ("entry", "clock", "told"),
    [
        ("{name: x, base: raspberry-pi-4, cpu: cortex-a76}", 0.0, True),
        ("{name: x, base: raspberry-pi-4, cpu: cortex-a76, clock: 2.4GHz}", 2.4e9, False),
        ("{name: x, base: raspberry-pi-4, cpu: cortex-a72}", 1.8e9, False),
        ("raspberry-pi-4", 1.8e9, False),
        ("{name: x, base: linux-aarch64, cpu: cortex-a76}", 0.0, False),
    ],
)
def test_the_clock_of_another_cpu_than_the_bases_is_not_known(project: Path, entry: str, clock: float, told: bool) -> None:
    plan = target(project, entry)
    assert plan.target.clock == clock
    assert any("clock: not known of cortex-a76" in note for note in plan.notes) == told
    work = {"convolution": 10**9, "linear": 0, "other": 0}
    found = predict(plan, Profile(macs=work, operators={}, parameters=1, dynamic=False))
    assert (found.seconds is None) == (clock == 0.0)
    assert clock or any(f"the clock of {plan.target.name} is not known" in reason for reason in found.reasons)


def test_a_file_is_a_base_like_any_other(project: Path) -> None:
    plan = target(project, "{name: gate, base: {file: devices/boards/board.yaml}, threads: 2, budgets: {size: 2MB}}")
    assert (plan.target.name, plan.threads, len(plan.budgets)) == ("gate", 2, 1)
    assert sorted(plan.target_files) == ["devices/boards/board.yaml"]


def test_a_target_file_does_not_change_the_lowering(project: Path) -> None:
    before = target(project, "{file: devices/door.yaml}")
    (project / "devices" / "door.yaml").write_text(DOOR.replace("2GB", "1GB"))
    after = target(project, "{file: devices/door.yaml}")
    assert before.lowering_key == after.lowering_key and before.target_files != after.target_files


def test_a_plan_with_target_files_survives_json(project: Path) -> None:
    plan = target(project, "{file: devices/door.yaml}")
    assert json.loads(json.dumps(to_json(plan)))["target_files"] == dict(plan.target_files)


@pytest.mark.parametrize(
    ("entry", "code", "words"),
    [
        ("{file: devices/boards}", "target-file", "no target file"),
        ("{file: devices/dor.yaml}", "target-file", "no target file"),
        ("{file: ../door.yaml}", "path-outside-root", "outside"),
        ("{file: devices/circle.yaml}", "target-file", "no target file"),
        (f"{{file: devices/{'x' * 300}}}", "target-file", "no target file"),
        (f"{{file: {'x' * 300}/door.yaml}}", "target-file", "no target file"),
        ("{name: x, base: {file: manifest.yaml}}", "missing-key", "'kind', 'base'"),
    ],
)
def test_a_file_that_is_none_is_refused_where_it_is_named(project: Path, entry: str, code: str, words: str) -> None:
    (project / "devices" / "circle.yaml").symlink_to("circle.yaml")
    with pytest.raises(Failure) as caught:
        front(manifest(project, entry), project)
    found = next(item for item in caught.value.diagnostics if item.code == code)
    assert words in found.message and found.exit_code == 3
    assert found.where is not None and found.where.file in caught.value.documents


def test_the_nearest_file_is_named(project: Path) -> None:
    with pytest.raises(Failure) as caught:
        front(manifest(project, "{file: devices/dor.yaml}"), project)
    assert caught.value.diagnostics[0].hint is not None and "did you mean door.yaml?" in caught.value.diagnostics[0].hint


def test_a_cycle_names_both_places(project: Path) -> None:
    (project / "devices" / "boards" / "board.yaml").write_text(BOARD.replace("linux-aarch64", "{file: ../door.yaml}"))
    with pytest.raises(Failure) as caught:
        front(manifest(project, "{file: devices/door.yaml}"), project)
    (found,) = caught.value.diagnostics
    assert found.code == "target-cycle" and found.where is not None
    assert found.where.file.endswith("board.yaml") and found.where.route == ("base", "file")
    ((_, first),) = found.related
    assert first.file.endswith("manifest.yaml") and first.route == ("targets", 0, "file")


def test_mistakes_in_two_files_are_reported_together(project: Path) -> None:
    (project / "devices" / "door.yaml").write_text(DOOR + "colour: red\n")
    (project / "devices" / "boards" / "board.yaml").write_text(BOARD + "clocks: 2\n")
    with pytest.raises(Failure) as caught:
        front(manifest(project, "{file: devices/door.yaml}, {name: y, base: {file: devices/boards/board.yaml}}"), project)
    files = {Path(item.where.file).name for item in caught.value.diagnostics if item.where}
    assert files == {"door.yaml", "board.yaml"}


def test_target_files_are_validated_and_are_no_manifests(project: Path) -> None:
    passed, diagnostics, documents = fronts([project / "devices"], project)
    assert not passed and not diagnostics and len(documents) == 2
    told = CliRunner().invoke(group, ["validate", str(project / "devices"), "--root", str(project)], standalone_mode=False)
    assert "door.yaml: target door" in told.stdout and told.return_value == 0
    (project / "devices" / "door.yaml").write_text(DOOR.replace("2GB", "2 bananas"))
    told = CliRunner().invoke(group, ["validate", str(project / "devices"), "--root", str(project)], standalone_mode=False)
    assert "wrong-value" in told.stdout and told.return_value == 3
