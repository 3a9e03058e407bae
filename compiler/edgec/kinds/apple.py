"""A Swift package for iOS and macOS: the model as a resource, a library, a sample, and a test that verifies it on a device."""

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

SUMMARY = "iOS and macOS: a Swift package with the model as a resource, a sample, and a test that verifies it on a device"
RUNNER = False
SELF_TEST = False
JUDGES = False
LAYOUT = Layout(model="Sources/EdgecModel/Resources/model.pte", golden="Tests/EdgecModelTests/Resources")
PLANNED = ""
UNRUN = (
    "the package, its sample and its test: building them takes Xcode",
    "golden vectors, latency and memory: verify-on-mac.sh, or the test in Xcode, measures them on a device",
)
DTYPES = ("float32", "float64", "int64", "int32", "int16", "int8", "uint8")
FOLDER = "apple"
COPIED = (
    *("Sources/EdgecModel/Model.swift", "Sources/edgec-sample/main.swift"),
    "Tests/EdgecModelTests/GoldenVectorsTests.swift",
)
FACTS = "Sources/EdgecModel/Resources/model.json"
GOLDEN = "Tests/EdgecModelTests/Resources/golden.json"

PRODUCTS = {"XnnpackBackend": "backend_xnnpack", "CoreMLBackend": "backend_coreml", "MLXBackend": "backend_mlx"}
"""Which product of ExecuTorch's Swift package holds a delegate."""

OLDEST = ("17.0", "14.0")
"""The systems (iOS, macOS) from which on ExecuTorch's package and this one's sources run."""

NEWER = {"iOS18": ("18.0", "15.0")}
"""What Core ML's option ``minimum_ios`` asks beyond them: the macOS of the same year reads the same Core ML models."""


def requirements(parts: Parts) -> tuple[Requirement, ...]:
    """ExecuTorch's Swift package, in the version that lowered the model."""
    version = parts.lowered.versions.get("executorch", "")
    purl = f"pkg:swift/github.com/pytorch/executorch@swiftpm-{version}"
    return (Requirement(name="executorch-swiftpm", version=version, purl=purl),)


def figures(plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
    """None: nothing of it runs here."""
    return []


def files(parts: Parts) -> dict[str, File]:
    """Return the package. Its sources read what the manifest says from resources; nothing of it is printed into them."""
    made = {name: File(content=resource("templates", FOLDER, *name.split("/"))) for name in COPIED}
    script = environment(FOLDER, finalize=shlex.quote).get_template("verify-on-mac.sh.j2")
    made["verify-on-mac.sh"] = File(content=script.render().encode(), executable=True)
    made[FACTS] = File(content=json_bytes(model_facts(parts.record)))
    made[GOLDEN] = File(content=json_bytes(golden_facts(parts.record, LAYOUT)))
    ios, macos = systems(parts.plan)
    branch = f"swiftpm-{parts.lowered.versions.get('executorch', '')}"
    facts = {"branch": branch, "products": products(parts.lowered), "ios": ios, "macos": macos}
    package = environment(FOLDER, finalize=swift_text).get_template("Package.swift.j2")
    made["Package.swift"] = File(content=package.render(facts).encode())
    made["README.md"] = readme_file(FOLDER, {**readme(parts), **facts, "ran": not parts.lowered.not_run})
    return made


def check(folder: Path, facts: Json) -> list[Diagnostic]:
    """Hold the resources that the package and its test read against bundle.json."""
    return differences(folder, facts, FACTS, GOLDEN, LAYOUT)


def products(lowered: Lowered) -> tuple[str, ...]:
    """Return the products of ExecuTorch's package that the artifact needs, sorted, the core first."""
    named = {PRODUCTS[name] for name in lowered.backends if name in PRODUCTS}
    kernels = {"kernels_quantized" for name in lowered.kernels if name.startswith("quantized_decomposed::")}
    if any(name.startswith(("aten::", "dim_order_ops::")) for name in lowered.kernels):
        kernels.add("kernels_optimized")
    return ("executorch", *sorted(named | kernels))


def systems(plan: Plan) -> tuple[str, str]:
    """Return the oldest (iOS, macOS) that the package says it runs on: what the artifact needs, and never below OLDEST."""
    asked = (choice.options.get("minimum_ios") for choice in plan.delegates if choice.name == "coreml")
    return next((NEWER[name] for name in asked if name in NEWER), OLDEST)


def swift_text(value: object) -> str:
    """Return a value as a Swift string literal: no quote ends it, and no interpolation starts in it."""
    plain = re.compile(r"[A-Za-z0-9 ._+:-]")
    return '"' + "".join(char if plain.match(char) else f"\\u{{{ord(char):x}}}" for char in str(value)) + '"'
