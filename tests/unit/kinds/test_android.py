"""An Android bundle: what it holds, that its sources are Kotlin, that text stays text, and what its script does with adb."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app_parts import HOSTILE, content, made, mistakes, on_disk
from bundle_parts import lowered, measured, plan
from edgec.kinds import android
from edgec.stages.render import render
from edgec.targets.table import TARGETS

TARGET = "android-arm64"
SOURCES = "app/src/main/java/dev/edgec/model"


def test_it_holds_a_gradle_project_with_the_model_as_an_asset(tmp_path: Path) -> None:
    bundle = made(tmp_path, TARGET)
    assert set(bundle.files) == {
        "bundle.json", "README.md", "SHA256SUMS", "sbom.cdx.json", "provenance.json", "run-on-device.sh",
        "settings.gradle.kts", "build.gradle.kts", "gradle.properties", "app/build.gradle.kts",
        "app/src/main/AndroidManifest.xml", f"{SOURCES}/Model.kt", f"{SOURCES}/MainActivity.kt",
        "app/src/main/assets/model.pte", "app/src/main/assets/model.json",
        "app/src/androidTest/java/dev/edgec/model/GoldenVectorsTest.kt", "app/src/androidTest/assets/golden.json",
        "app/src/androidTest/assets/golden/0.image.bin", "app/src/androidTest/assets/golden/0.output.bin",
    }  # fmt: skip
    assert [name for name, file in bundle.files.items() if file.executable] == ["run-on-device.sh"]
    facts = json.loads(content(bundle.files["bundle.json"]))
    assert (facts["kind"], facts["model"]["file"]) == ("android", "app/src/main/assets/model.pte")
    assert made(tmp_path / "again", TARGET).digest == bundle.digest


def test_the_types_that_a_plan_may_have_are_those_that_its_sources_make_and_count() -> None:
    folder = Path(__file__).parents[3] / "templates" / "android" / SOURCES
    model, sample = ((folder / f"{name}.kt").read_text() for name in ("Model", "MainActivity"))
    assert sorted(re.findall(r'"(\w+)" -> Tensor\.from', model)) == sorted(android.DTYPES)
    assert sorted(re.findall(r'"(\w+)" to [1-8]\b', sample)) == sorted(android.DTYPES)


def test_the_published_runtime_is_named_by_version_in_gradle_and_sbom(tmp_path: Path) -> None:
    bundle = made(tmp_path, TARGET)
    assert b'implementation("org.pytorch:executorch-android:1.5.1")' in content(bundle.files["app/build.gradle.kts"])
    parts = json.loads(content(bundle.files["sbom.cdx.json"]))["components"]
    assert "pkg:maven/org.pytorch/executorch-android@1.5.1" in [part.get("purl") for part in parts]


def test_a_delegate_with_a_runtime_of_its_own_takes_that_one(tmp_path: Path) -> None:
    artifact = replace(lowered(tmp_path / "job"), backends=("VulkanBackend",), not_run="no runtime here has it")
    asked = plan(target=TARGETS[TARGET], budgets=())
    bundle = render(asked, artifact, tmp_path / "job", None, measured(), (), False)
    assert b"org.pytorch:executorch-android-vulkan:1.5.1" in content(bundle.files["app/build.gradle.kts"])
    assert b"which no build machine runs" in content(bundle.files["README.md"])


def test_its_sources_are_kotlin_and_its_manifest_is_xml(tmp_path: Path) -> None:
    files = made(tmp_path, TARGET, version='1.0.0-"${x}"').files
    kotlin = [name for name in files if name.endswith((".kt", ".kts"))]
    assert len(kotlin) == 6
    assert [mistake for name in kotlin for mistake in mistakes("kotlin", content(files[name]))] == []
    assert mistakes("kotlin", content(files[f"{SOURCES}/Model.kt"]).replace(b"fun load(", b"fun load((")) != []
    assert ElementTree.fromstring(content(files["app/src/main/AndroidManifest.xml"])).tag == "manifest"


def test_manifest_text_reaches_no_source(tmp_path: Path) -> None:
    tame, wild = made(tmp_path / "a", TARGET), made(tmp_path / "b", TARGET, description=HOSTILE, labels=(HOSTILE, "1"))
    changed = {name for name, file in wild.files.items() if content(file) != content(tame.files[name])}
    records = {"bundle.json", "README.md", "sbom.cdx.json", "provenance.json", "SHA256SUMS"}
    assert changed == {*records, "app/src/main/assets/model.json"}


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("1.0.0+x", '"1.0.0+x"'),
        ('a"b', '"a\\u0022b"'),
        ("${x}", '"\\u0024\\u007bx\\u007d"'),
        ("\U0001f600", '"\\ud83d\\ude00"'),
    ],
)
def test_a_kotlin_literal_ends_nowhere_inside(text: str, literal: str) -> None:
    assert android.kotlin_text(text) == literal


def test_an_app_s_id_is_one_whatever_the_name() -> None:
    assert android.application(plan(name="2-cameras")) == "dev.edgec.m_2_cameras"


def test_a_whole_bundle_has_nothing_wrong_and_changed_assets_are_found(tmp_path: Path) -> None:
    folder, facts = on_disk(tmp_path, TARGET)
    assert android.check(folder, facts) == []
    for name in (android.FACTS, android.GOLDEN):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("1.0.0", "1.0.1"))
        (found,) = android.check(folder, facts)
        assert found.code == "bundle-broken" and name in found.message
        (folder / name).write_text(text)
    (folder / android.GOLDEN).unlink()
    assert len(android.check(folder, facts)) == 1


FAKE_ADB = r"""#!/bin/sh
# NOT adb: says what it was called with, and answers as a device would.
printf '%s\n' "$*" >> "$LOG"
case $* in
*get-state) [ -z "${NO_DEVICE:-}" ] && echo device ;;
*abilist64) printf 'arm64-v8a\r\n' ;;
*instrument*) printf 'INSTRUMENTATION_STATUS: edgec=%s\r\nINSTRUMENTATION_CODE: -1\r\n' "$RESULT" ;;
esac
"""
FAKE_GRADLE = r"""#!/bin/sh
# NOT Gradle: leaves empty packages where it would leave the app's.
printf 'gradle %s\n' "$*" >> "$LOG"
mkdir -p app/build/outputs/apk/debug app/build/outputs/apk/androidTest/debug
: > app/build/outputs/apk/debug/app-debug.apk
: > app/build/outputs/apk/androidTest/debug/app-debug-androidTest.apk
"""


def ran(folder: Path, work: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script against stand-ins for adb and Gradle: this checks its commands, no device."""
    tools = work / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    for name, text in (("adb", FAKE_ADB), ("gradle", FAKE_GRADLE)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    given = {"LOG": str(work / "log"), "RESULT": '{"status":"passed"}', "EDGEC_BUILD": str(work / "build"), **environment}
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    return subprocess.run(
        [folder / "run-on-device.sh", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **path, **given},
    )


def test_the_script_builds_installs_runs_and_tells_the_result(tmp_path: Path) -> None:
    folder, _ = on_disk(tmp_path, TARGET)
    done = ran(folder, tmp_path / "w", "--serial", "emulator 1")
    assert (done.returncode, done.stdout) == (0, '{"status":"passed"}\n'), done.stderr
    calls = (tmp_path / "w" / "log").read_text().splitlines()
    assert calls[0] == "-s emulator 1 get-state"
    assert "gradle --quiet :app:assembleDebug :app:assembleDebugAndroidTest" in calls
    assert sum(" install -r -t " in call for call in calls) == 2
    listing = subprocess.run(["sha256sum", folder / "SHA256SUMS"], capture_output=True, text=True, check=True).stdout.split()[0]
    runner = "dev.edgec.m_camera.test/androidx.test.runner.AndroidJUnitRunner"
    assert calls[-1] == f"-s emulator 1 shell am instrument -w -r -e bundle_sha256 {listing} {runner}"
    # What was built left the bundle as it was.
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)


@pytest.mark.parametrize(("result", "code"), [('{"status":"budget-missed"}', 5), ('{"status":"failed"}', 7), ("", 7)])
def test_the_script_s_exit_code_is_the_result_s(tmp_path: Path, result: str, code: int) -> None:
    folder, _ = on_disk(tmp_path, TARGET)
    done = ran(folder, tmp_path / "w", "--out", str(tmp_path / "verify.json"), RESULT=result)
    assert done.returncode == code, done.stderr


def test_the_script_says_what_is_missing(tmp_path: Path) -> None:
    folder, _ = on_disk(tmp_path, TARGET)
    assert ran(folder, tmp_path / "w", NO_DEVICE="1").returncode == 6
    assert ran(folder, tmp_path / "w", ADB="no-such-adb").returncode == 6
    assert ran(folder, tmp_path / "w", "--wrong").returncode == 2
    (folder / android.GOLDEN).write_text("{}")
    assert ran(folder, tmp_path / "w").returncode == 7


def test_the_script_is_one_that_shellcheck_passes(tmp_path: Path) -> None:
    shellcheck: Any = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed; `make test` installs it")
    folder, _ = on_disk(tmp_path, TARGET)
    subprocess.run([shellcheck, folder / "run-on-device.sh"], check=True)
