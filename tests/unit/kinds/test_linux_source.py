"""A Linux bundle whose runner is built on the device: what it holds, what its scripts say before that, what is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app_parts import HOSTILE, content
from bundle_parts import lowered, measured, plan, verdicts
from edgec.artifacts.bundle import Bundle
from edgec.artifacts.manifest import Choice
from edgec.kinds import linux_source
from edgec.kinds.linux_source import LIBRARIES
from edgec.registry import names, plugin
from edgec.runtime.libraries import runtime_has
from edgec.stages.render import render
from edgec.store import bundles
from edgec.store.atomic import write_tree
from edgec.targets.table import TARGETS


def made(folder: Path, *delegates: str, **changes: Any) -> Bundle:
    target = TARGETS["linux-x86_64"].__class__(**{**vars(TARGETS["linux-x86_64"]), "kind": "linux-source"})
    asked = plan(**{"target": target, "delegates": tuple(Choice(name=name) for name in delegates), **changes})
    return render(asked, lowered(folder / "job"), folder / "job", None, measured(), verdicts(measured()), False)


def on_disk(folder: Path, *delegates: str) -> Path:
    write_tree(folder / "bundle", made(folder, *delegates).files)
    return folder / "bundle"


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([script, *arguments], capture_output=True, text=True, check=False)


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
    wanted = [LIBRARIES[name] for name in delegates if name != "portable"]
    for name, library in LIBRARIES.items():
        assert (f"set({library.option} ON" in text) == (f"  {library.target}\n" in text) == (library in wanted), name


def test_the_wheels_option_for_every_delegate_of_linux_is_known() -> None:
    rows = [row for row in TARGETS.values() if row.kind == "linux-native"]
    offered = {name for row in rows for name in row.delegates if plugin("delegates", name).AVAILABLE}
    lacking = {name for name in offered if not runtime_has(plugin("delegates", name).BACKENDS, "x86_64")}
    assert lacking - set(LIBRARIES) == {"tosa"}, "a delegate without a runtime anywhere is a reference"
    assert set(LIBRARIES) <= set(names("delegates"))


def test_a_reference_has_no_runner_and_says_so(tmp_path: Path) -> None:
    bundle = made(tmp_path, "tosa")
    assert not [name for name in bundle.files if name.startswith("runner/") or name.endswith(".sh")]
    assert b"no runtime of tosa that runs this artifact" in content(bundle.files["README.md"])


def test_scripts_ask_for_the_runner_before_it_is_built(tmp_path: Path) -> None:
    folder = on_disk(tmp_path, "vulkan")
    for script in ("run.sh", "verify.sh"):
        done = run(folder / script, *(["picture.png"] if script == "run.sh" else []))
        assert (done.returncode, "README.md says how" in done.stderr) == (6, True), done.stderr


def test_what_cmake_leaves_is_no_part_of_the_bundle_and_everything_else_is(tmp_path: Path) -> None:
    folder = on_disk(tmp_path, "vulkan")
    whole = bundles.check(folder)
    (folder / "build").mkdir()
    (folder / "build" / "edgec-run").write_text("#!/bin/sh\nexit 4\n")
    (folder / "build" / "edgec-run").chmod(0o755)
    (folder / "build" / "link").symlink_to("edgec-run")
    assert bundles.check(folder) == whole
    done = run(folder / "verify.sh")
    assert (done.returncode, json.loads(done.stdout)["stage"]) == (7, "run"), done.stderr
    (folder / "runner" / "extra.cpp").write_text("int x;")
    done = run(folder / "verify.sh")
    assert (done.returncode, json.loads(done.stdout)["stage"]) == (7, "digests"), "CMake would compile it"


def test_manifest_text_reaches_no_source(tmp_path: Path) -> None:
    tame, wild = made(tmp_path / "a", "vulkan"), made(tmp_path / "b", "vulkan", description=HOSTILE, labels=(HOSTILE, "1"))
    changed = {name for name, file in wild.files.items() if content(file) != content(tame.files[name])}
    assert changed == {"bundle.json", "README.md", "sbom.cdx.json", "provenance.json", "SHA256SUMS"}


def test_nothing_of_it_is_checked_beyond_its_digests(tmp_path: Path) -> None:
    folder = on_disk(tmp_path, "vulkan")
    assert linux_source.check(folder, json.loads((folder / "bundle.json").read_text())) == []
