"""Linux bundles for delegates without a runtime: the runner's sources and scripts around what is built of them; a reference."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app_parts import HOSTILE, content
from bundle_parts import lowered, measured, plan, verdicts
from edgec.artifacts.bundle import Bundle
from edgec.artifacts.manifest import Choice
from edgec.checks.candidates import without_runtime
from edgec.diagnostics import Failure
from edgec.kinds import linux_source
from edgec.registry import plugin
from edgec.runtime.from_source import FROM_SOURCE
from edgec.runtime.verification import unrun
from edgec.stages.render import render
from edgec.store import bundles
from edgec.store.atomic import write_tree
from edgec.targets.table import TARGETS

ROW = TARGETS["linux-x86_64"]


def chosen(*names: str) -> tuple[Choice, ...]:
    return tuple(Choice(name=name) for name in names)


def made(folder: Path, *delegates: str, kind: str = "linux-source", **changes: Any) -> Bundle:
    asked = plan(**{"target": replace(ROW, kind=kind), "delegates": chosen(*delegates), **changes})
    return render(asked, lowered(folder / "job"), folder / "job", None, measured(), verdicts(measured()), False)


def on_disk(folder: Path, *delegates: str, kind: str = "linux-source") -> Path:
    write_tree(folder / "bundle", made(folder, *delegates, kind=kind).files)
    return folder / "bundle"


def run(script: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run([script, *map(str, arguments)], capture_output=True, text=True, check=False, env=known)


def test_it_holds_the_runners_sources_and_scripts_around_what_is_built_of_them(tmp_path: Path) -> None:
    bundle = made(tmp_path, "vulkan")
    assert {"model.pte", "run.sh", "verify.sh", "runner/CMakeLists.txt", "runner/main.cpp", "runner/tasks/tasks.h"} <= set(
        bundle.files
    )
    assert not [name for name in bundle.files if name.startswith(("bin/", "lib/", "runner/shim"))]
    assert sorted(name for name, file in bundle.files.items() if file.executable) == ["run.sh", "verify.sh"]
    assert json.loads(content(bundle.files["bundle.json"]))["kind"] == "linux-source"
    parts = json.loads(content(bundle.files["sbom.cdx.json"]))["components"]
    assert "pkg:github/pytorch/executorch@v1.5.1" in [part.get("purl") for part in parts]
    assert made(tmp_path / "again", "vulkan").digest == bundle.digest


@pytest.mark.parametrize("delegates", [("vulkan",), ("webgpu", "portable"), ("vgf", "xnnpack")])
def test_cmake_builds_and_links_each_delegate(tmp_path: Path, delegates: tuple[str, ...]) -> None:
    text = content(made(tmp_path, *delegates).files["runner/CMakeLists.txt"]).decode()
    wanted = [FROM_SOURCE[name] for name in delegates if name != "portable"]
    options = {option for item in FROM_SOURCE.values() for option in item.options}
    assert {option for option in options if f"set({option} ON" in text} == {name for item in wanted for name in item.options}
    targets = {target for item in FROM_SOURCE.values() for target in item.targets}
    assert {name for name in targets if f"  {name}\n" in text} == {name for item in wanted for name in item.targets}


def test_every_delegate_of_linux_has_a_runtime_or_a_way_to_build_it_or_is_a_reference() -> None:
    rows = [row for row in TARGETS.values() if row.kind == "linux-native"]
    offered = {name for row in rows for name in row.delegates if plugin("delegates", name).AVAILABLE}
    assert set(without_runtime(chosen(*sorted(offered)), ROW)) == {"vulkan", "webgpu", "vgf", "tosa"}
    assert without_runtime(chosen("openvino"), TARGETS["linux-aarch64"]) == ("openvino",)
    assert without_runtime(chosen("vulkan"), TARGETS["android-arm64"]) == ()
    assert offered - set(FROM_SOURCE) == {"tosa", "portable"}
    for name, build in FROM_SOURCE.items():
        assert (build.backend,) == plugin("delegates", name).BACKENDS


def test_its_page_names_what_no_package_has_and_nothing_else(tmp_path: Path) -> None:
    page = content(made(tmp_path, "vulkan", "xnnpack").files["README.md"]).decode()
    assert "ExecuTorch's runtime of vulkan for Linux" in page and "glslc" in page


def test_a_reference_has_no_runner_and_says_so(tmp_path: Path) -> None:
    bundle = made(tmp_path, "tosa", kind="reference")
    assert not [name for name in bundle.files if name.startswith("runner/") or name.endswith(".sh")]
    assert b"It delegates to tosa, and no runtime runs that" in content(bundle.files["README.md"])


def test_a_reference_names_no_delegate_that_needs_no_runtime_or_has_one(tmp_path: Path) -> None:
    files = made(tmp_path, "tosa", "xnnpack", "cortex-m", "vulkan", "portable", kind="reference").files
    assert b"It delegates to tosa, and no runtime runs that" in content(files["README.md"])


def test_scripts_ask_for_the_runner(tmp_path: Path) -> None:
    folder = on_disk(tmp_path, "vulkan")
    for script in ("run.sh", "verify.sh"):
        for missing in ({}, {"EDGEC_RUNNER": str(tmp_path)}, {"EDGEC_RUNNER": str(folder / "README.md")}):
            done = run(folder / script, *(["picture.png"] if script == "run.sh" else []), **missing)
            assert (done.returncode, "README.md says how" in done.stderr) == (6, True), done.stderr


def test_scripts_hand_the_bundle_to_the_runner_that_is_named(tmp_path: Path) -> None:
    folder, runner = on_disk(tmp_path, "vulkan"), tmp_path / "a runner"
    runner.write_text('#!/bin/sh\nprintf \'{"said": "%s"}\\n\' "$*"\n')
    runner.chmod(0o755)
    done = run(folder / "verify.sh", EDGEC_RUNNER=str(runner))
    assert done.returncode == 0 and json.loads(done.stdout)["said"].startswith(f"--bundle {folder} --self-test"), done.stderr
    done = run(folder / "run.sh", "a.png", EDGEC_RUNNER=str(runner))
    assert json.loads(done.stdout)["said"] == f"--run --bundle {folder} a.png"


def test_there_is_no_video_and_run_sh_says_so(tmp_path: Path) -> None:
    folder = on_disk(tmp_path, "vulkan")
    done = run(folder / "run.sh", "--source", "clip.mp4", EDGEC_RUNNER="/bin/true")
    assert done.returncode == 2 and "no --source" in done.stderr
    assert "--source" not in run(folder / "run.sh", "--help").stdout


@pytest.mark.parametrize("place", ["build/edgec-run", "runner/extra.cpp", "runner/build/extra.cpp"])
def test_nothing_may_be_added_to_it(tmp_path: Path, place: str) -> None:
    folder = on_disk(tmp_path, "vulkan")
    bundles.check(folder)
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text("int x;")
    with pytest.raises(Failure, match="is not listed"):
        bundles.check(folder)
    done = run(folder / "verify.sh", EDGEC_RUNNER="/bin/true")
    assert (done.returncode, json.loads(done.stdout)["stage"]) == (7, "digests")


def test_an_artifact_or_a_golden_vector_that_is_not_the_one_of_bundle_json_is_found(tmp_path: Path) -> None:
    folder = on_disk(tmp_path, "vulkan")
    with bundles.opened(folder) as whole:
        assert unrun(whole, linux_source.UNRUN)["status"] == "not-run"
    (folder / "model.pte").write_bytes(b"another")
    shutil.rmtree(folder / "tests" / "golden")
    digests = {path.relative_to(folder).as_posix(): bundles.sha256_of(path) for path in folder.rglob("*") if path.is_file()}
    digests.pop(bundles.SUMS)
    (folder / bundles.SUMS).write_bytes(bundles.sums(digests))
    with bundles.opened(folder) as other, pytest.raises(Failure) as caught:
        unrun(other, linux_source.UNRUN)
    named = [finding.message for finding in caught.value.diagnostics]
    assert named[0].startswith("model.pte is not") and named[1].startswith("tests/golden/")


def test_manifest_text_reaches_no_source(tmp_path: Path) -> None:
    tame, wild = made(tmp_path / "a", "vulkan"), made(tmp_path / "b", "vulkan", description=HOSTILE, labels=(HOSTILE, "1"))
    changed = {name for name, file in wild.files.items() if content(file) != content(tame.files[name])}
    assert changed == {"bundle.json", "README.md", "sbom.cdx.json", "provenance.json", "SHA256SUMS"}


def test_nothing_of_it_is_checked_beyond_its_digests(tmp_path: Path) -> None:
    folder = on_disk(tmp_path, "vulkan")
    assert linux_source.check(folder, json.loads((folder / "bundle.json").read_text())) == []
