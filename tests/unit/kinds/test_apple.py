"""An Apple bundle: what it holds, that its sources are Swift, that text stays text, and what its script does with Swift."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app_parts import HOSTILE, content, made, mistakes, on_disk
from bundle_parts import lowered
from edgec.artifacts.manifest import Choice
from edgec.kinds import apple

TARGETS = ("ios", "macos-arm64")


@pytest.mark.parametrize("target", TARGETS)
def test_it_holds_a_swift_package_with_the_model_as_a_resource(tmp_path: Path, target: str) -> None:
    bundle = made(tmp_path, target)
    assert set(bundle.files) == {
        "bundle.json", "README.md", "SHA256SUMS", "sbom.cdx.json", "provenance.json", "verify-on-mac.sh", "Package.swift",
        "Sources/EdgecModel/Model.swift", "Sources/edgec-sample/main.swift",
        "Sources/EdgecModel/Resources/model.pte", "Sources/EdgecModel/Resources/model.json",
        "Tests/EdgecModelTests/GoldenVectorsTests.swift", "Tests/EdgecModelTests/Resources/golden.json",
        "Tests/EdgecModelTests/Resources/golden/0.image.bin", "Tests/EdgecModelTests/Resources/golden/0.output.bin",
    }  # fmt: skip
    assert json.loads(content(bundle.files["bundle.json"]))["kind"] == "apple"
    assert b"**Not run:** the package" in content(bundle.files["README.md"])
    assert made(tmp_path / "again", target).digest == bundle.digest


def test_the_types_that_a_plan_may_have_are_those_that_its_sources_make_read_and_count() -> None:
    folder = Path(__file__).parents[3] / "templates" / "apple" / "Sources"
    model, sample = (folder / "EdgecModel" / "Model.swift").read_text(), (folder / "edgec-sample" / "main.swift").read_text()
    for form in (r"Tensor<", r"scalars\(", r"\(?values\(data\)(?!, )"):
        assert sorted(re.findall(rf'case "(\w+)": return {form}', model)) == sorted(apple.DTYPES), form
    assert sorted(re.findall(r'"(\w+)": [1-8]\b', sample)) == sorted(apple.DTYPES)


def test_executorch_s_package_is_named_by_address_and_version(tmp_path: Path) -> None:
    bundle = made(tmp_path, "ios")
    package = content(bundle.files["Package.swift"]).decode()
    assert '.package(url: "https://github.com/pytorch/executorch.git", branch: "swiftpm-1.5.1")' in package
    products = [
        name for name in ("executorch", "backend_xnnpack", "kernels_optimized") if f'.product(name: "{name}"' in package
    ]
    assert len(products) == 3
    parts = json.loads(content(bundle.files["sbom.cdx.json"]))["components"]
    assert "pkg:swift/github.com/pytorch/executorch@swiftpm-1.5.1" in [part.get("purl") for part in parts]


def test_only_what_the_artifact_needs_is_linked(tmp_path: Path) -> None:
    artifact = lowered(tmp_path / "job")
    assert apple.products(replace(artifact, kernels=())) == ("executorch", "backend_xnnpack")
    assert apple.products(replace(artifact, backends=("CoreMLBackend",), kernels=())) == ("executorch", "backend_coreml")
    quantized = replace(artifact, backends=(), kernels=("quantized_decomposed::add.out",))
    assert apple.products(quantized) == ("executorch", "kernels_quantized")


@pytest.mark.parametrize(
    ("options", "ios", "macos"),
    [({}, "17.0", "14.0"), ({"minimum_ios": "iOS15"}, "17.0", "14.0"), ({"minimum_ios": "iOS18"}, "18.0", "15.0")],
)
def test_the_package_is_for_the_systems_that_the_artifact_runs_on(
    tmp_path: Path, options: dict[str, str], ios: str, macos: str
) -> None:
    files = made(tmp_path, "ios", delegates=(Choice(name="coreml", options=options), Choice(name="portable"))).files
    assert f'platforms: [.iOS("{ios}"), .macOS("{macos}")],' in content(files["Package.swift"]).decode()
    assert f"for iOS {ios} and macOS {macos}, or newer" in content(files["README.md"]).decode()


def test_the_readme_says_that_threads_are_not_chosen(tmp_path: Path) -> None:
    assert b"API takes no number of threads" in content(made(tmp_path, "ios").files["README.md"])


def test_its_sources_are_swift(tmp_path: Path) -> None:
    files = made(tmp_path, "macos-arm64").files
    swift = [name for name in files if name.endswith(".swift")]
    assert len(swift) == 4
    assert [mistake for name in swift for mistake in mistakes("swift", content(files[name]))] == []
    model = content(files["Sources/EdgecModel/Model.swift"])
    assert mistakes("swift", model.replace(b"public func run(", b"public func run((")) != []


def test_manifest_text_reaches_no_source(tmp_path: Path) -> None:
    tame, wild = made(tmp_path / "a", "ios"), made(tmp_path / "b", "ios", description=HOSTILE, labels=(HOSTILE, "1"))
    changed = {name for name, file in wild.files.items() if content(file) != content(tame.files[name])}
    assert changed == {"bundle.json", "README.md", "sbom.cdx.json", "provenance.json", "SHA256SUMS", apple.FACTS}


@pytest.mark.parametrize(
    ("text", "literal"), [("1.0+x", '"1.0+x"'), ('a"b', '"a\\u{22}b"'), ("\\(x)", '"\\u{5c}\\u{28}x\\u{29}"')]
)
def test_a_swift_literal_ends_nowhere_inside(text: str, literal: str) -> None:
    assert apple.swift_text(text) == literal


def test_a_whole_bundle_has_nothing_wrong_and_changed_resources_are_found(tmp_path: Path) -> None:
    folder, facts = on_disk(tmp_path, "ios")
    assert apple.check(folder, facts) == []
    (folder / apple.GOLDEN).write_text("{")
    (found,) = apple.check(folder, facts)
    assert found.code == "bundle-broken" and apple.GOLDEN in found.message


FAKE_SWIFT = (
    '#!/bin/sh\n# NOT Swift: leaves the result that the test would.\n[ -n "$RESULT" ] && printf %s "$RESULT" > "$EDGEC_OUT"\n'
)
FAKE_SHASUM = '#!/bin/sh\n# What a Mac calls shasum, by the name it has here.\nshift 2\nexec sha256sum "$@"\n'


@pytest.mark.parametrize(
    ("result", "code"),
    [('{"status":"passed"}', 0), ('{"status":"budget-missed"}', 5), ('{"status":"failed"}', 7), ("", 7)],
)
def test_the_script_checks_digests_runs_the_test_and_tells_the_result(tmp_path: Path, result: str, code: int) -> None:
    folder, _ = on_disk(tmp_path, "macos-arm64")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("swift", FAKE_SWIFT), ("shasum", FAKE_SHASUM)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "RESULT": result, "EDGEC_BUILD": str(tmp_path / "build"),
    }  # fmt: skip

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([folder / "verify-on-mac.sh"], capture_output=True, text=True, check=False, env=environment)

    done = run()
    assert done.returncode == code, done.stderr
    assert done.stdout == (f"{result}\n" if result else "")
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    (folder / apple.GOLDEN).write_text("{}")
    assert run().returncode == 7
