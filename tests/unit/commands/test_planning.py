"""planning: which manifests `plan`, `build` and `lock` take, and what is said where there is none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgec.cli import group

CASES = Path(__file__).parents[2] / "cases"
SMALLEST = (CASES / "valid" / "smallest" / "manifest.yaml").read_text(encoding="utf-8")
TRIAL = (CASES / "invalid" / "not-for-release" / "manifest.yaml").read_text(encoding="utf-8")
TARGET = "apiVersion: edgec/v1\nkind: Target\nname: door\nbase: linux-x86_64\nthreads: 2\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / ".cache"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, arguments, standalone_mode=False)


def record(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--output", "json").stdout)


def test_a_manifest_that_is_not_valid_speaks_before_its_target_is_unknown(here: Path) -> None:
    (here / "manifests").mkdir()
    (here / "manifests" / "a.yaml").write_text(SMALLEST)
    (here / "manifests" / "b.yaml").write_text(SMALLEST.replace("linux-x86_64", "jetson-nano").replace("trial", "b") + "x: 1\n")
    found = record("plan", "--target", "jetson-nano")
    assert (found["exit_code"], [item["code"] for item in found["diagnostics"]]) == (3, ["unknown-key"])
    (here / "manifests" / "b.yaml").unlink()
    refused = run("plan", "--target", "jetson-nano")
    assert "no manifest has the target 'jetson-nano'" in str(refused.exception)


@pytest.mark.parametrize("verb", ["plan", "build", "lock"])
@pytest.mark.parametrize("path", ["targets", "targets/door.yaml"])
def test_target_files_alone_are_no_manifest(verb: str, path: str, here: Path) -> None:
    (here / "targets").mkdir()
    (here / "targets" / "door.yaml").write_text(TARGET)
    assert run("validate", path).return_value == 0
    found = record(verb, path)
    assert (found["exit_code"], [item["code"] for item in found["diagnostics"]]) == (2, ["no-manifest"])
    (here / "targets" / "notes.yaml").write_text("a: 1\n")
    codes = [item["code"] for item in record(verb, "targets")["diagnostics"]]
    assert codes == ["no-manifest", "no-api-version"]


@pytest.mark.parametrize("verb", ["plan", "build", "lock", "validate"])
def test_where_no_folder_is_named_all_say_the_same_of_none(verb: str, here: Path) -> None:
    failed = run(verb)
    assert failed.return_value == 2 and "error[no-manifest]: no manifest in the folder " in failed.stderr
    assert "`edgec init` writes one" in failed.stderr


def test_since_leaves_out_what_is_said_of_manifests_that_it_leaves_out(here: Path) -> None:
    (here / "manifests").mkdir()
    (here / "manifests" / "a.yaml").write_text(TRIAL)
    (here / "manifests" / "b.yaml").write_text(SMALLEST.replace("trial", "b"))
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (["init", "-q"], ["add", "manifests"], [*identity, "commit", "-qm", "a"]):
        subprocess.run(["git", *command], check=True)
    strict = ("plan", "--strict", "--since", "HEAD")
    assert (record(*strict)["exit_code"], record(*strict)["diagnostics"]) == (0, [])
    with (here / "manifests" / "b.yaml").open("a") as file:
        file.write("# changed\n")
    found = record(*strict)
    assert (found["exit_code"], found["diagnostics"], len(found["plans"])) == (0, [], 1)
    with (here / "manifests" / "a.yaml").open("a") as file:
        file.write("# changed\n")
    found = record(*strict)
    assert (found["exit_code"], [item["code"] for item in found["diagnostics"]]) == (3, ["not-for-release"])
    (here / "manifests" / "c.yaml").write_text(SMALLEST + "x: 1\n")
    subprocess.run(["git", "add", "manifests"], check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "c"], check=True)
    found = record(*strict)
    assert (found["exit_code"], [item["code"] for item in found["diagnostics"]]) == (3, ["unknown-key"])
