"""An Android project: the model as an asset, a Kotlin sample on the published runtime, and a test for a device."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from edgec.artifacts.bundle import File, Layout, Requirement
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Figure
from edgec.artifacts.parts import Parts
from edgec.artifacts.plan import Plan
from edgec.artifacts.records import json_bytes
from edgec.diagnostics import Diagnostic
from edgec.kinds.assets import differences, golden_facts, model_facts
from edgec.kinds.printing import environment, readme, readme_file
from edgec.resources import resource

SUMMARY = "Android: a Gradle project with the model as an asset, a Kotlin sample, and a test that verifies it on a device"
RUNNER = False
SELF_TEST = False
JUDGES = False
LAYOUT = Layout(model="app/src/main/assets/model.pte", golden="app/src/androidTest/assets")
PLANNED = ""
UNRUN = (
    "the app and its test: building them takes Android's SDK and Gradle, running them a device",
    "golden vectors, latency and memory: run-on-device.sh measures them on a device",
)
DTYPES = ("float32", "float64", "int64", "int32", "int8", "uint8")
FOLDER = "android"
JAVA = "dev/edgec/model"
COPIED = (
    *("settings.gradle.kts", "build.gradle.kts", "gradle.properties", "app/src/main/AndroidManifest.xml"),
    *(f"app/src/main/java/{JAVA}/{name}.kt" for name in ("Model", "MainActivity")),
    f"app/src/androidTest/java/{JAVA}/GoldenVectorsTest.kt",
)
FACTS = "app/src/main/assets/model.json"
GOLDEN = "app/src/androidTest/assets/golden.json"

LIBRARIES = {"VulkanBackend": "executorch-android-vulkan", "QnnBackend": "executorch-android-qnn"}
"""Which of the published runtimes holds a delegate; executorch-android has XNNPACK and the kernels."""


def requirements(parts: Parts) -> tuple[Requirement, ...]:
    """The runtime that the app is built with, in the version that lowered the model."""
    version = parts.lowered.versions.get("executorch", "")
    names = sorted({LIBRARIES[name] for name in parts.lowered.backends if name in LIBRARIES}) or ["executorch-android"]
    return tuple(Requirement(name=name, version=version, purl=f"pkg:maven/org.pytorch/{name}@{version}") for name in names)


def figures(plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
    """None: nothing of it runs here."""
    return []


def files(parts: Parts) -> dict[str, File]:
    """Return the project. Its sources read what the manifest says from assets; nothing of it is printed into them."""
    made = {name: File(content=resource("templates", FOLDER, *name.split("/"))) for name in COPIED}
    made[FACTS] = File(content=json_bytes(model_facts(parts.record)))
    made[GOLDEN] = File(content=json_bytes(golden_facts(parts.record, LAYOUT)))
    libraries = [f"org.pytorch:{needed.name}:{needed.version}" for needed in requirements(parts)]
    facts = {"application": application(parts.plan), "version": parts.plan.version, "libraries": libraries}
    gradle = environment(FOLDER, finalize=kotlin_text).get_template("app/build.gradle.kts.j2")
    made["app/build.gradle.kts"] = File(content=gradle.render(facts).encode())
    script = environment(FOLDER, finalize=shlex.quote).get_template("run-on-device.sh.j2")
    made["run-on-device.sh"] = File(content=script.render(facts).encode(), executable=True)
    told = {**readme(parts), "requires": requirements(parts), "ran": not parts.lowered.not_run}
    made["README.md"] = readme_file(FOLDER, told)
    return made


def check(folder: Path, facts: Json) -> list[Diagnostic]:
    """Hold the assets that the app and its test read against bundle.json."""
    return differences(folder, facts, FACTS, GOLDEN, LAYOUT)


def application(plan: Plan) -> str:
    """Return the app's id: a name may hold hyphens and start with a digit, a part of an id neither."""
    return "dev.edgec.m_" + re.sub(r"[^a-z0-9]", "_", plan.name)


def kotlin_text(value: object) -> str:
    """Return a value as a Kotlin string literal: no quote ends it, and no template starts in it."""
    escaped = "".join(char if re.fullmatch(r"[A-Za-z0-9 ._+:-]", char) else _escaped(char) for char in str(value))
    return f'"{escaped}"'


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))
