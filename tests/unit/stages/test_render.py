"""Rendering: what enters the tarball is what inputs determine, and manifest text is harmless wherever it lands."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bundle_parts import bundle, lowered, measured, plan, runner, verdicts
from edgec.artifacts.bundle import Bundle, File
from edgec.artifacts.measured import Figure, Measured
from edgec.diagnostics import Failure
from edgec.kinds.printing import markdown_text, shape_text, systemd_text
from edgec.stages.render import render
from edgec.store import bundles
from edgec.targets.table import TARGETS


def content(file: File) -> bytes:
    return file.content if isinstance(file.content, bytes) else file.content.read_bytes()


def text(made: Bundle, name: str) -> str:
    return content(made.files[name]).decode()


def record(made: Bundle, name: str) -> Any:
    return json.loads(content(made.files[name]))


def test_the_bundle_holds_what_the_format_says(tmp_path: Path) -> None:
    made = bundle(tmp_path / "parts")
    video = {name for name in made.files if name.startswith("video/")}
    assert set(made.files) - video == {
        "bundle.json", "model.pte", "bin/edgec-run", "lib/libexecutorch.so", "run.sh", "verify.sh", "install.sh", "trust.sh",
        "tests/test_bundle.py", "tests/golden/0.image.bin", "tests/golden/0.output.bin", "systemd/camera.service",
        "README.md", "sbom.cdx.json", "provenance.json", "SHA256SUMS",
    }  # fmt: skip
    executable = {name for name, file in made.files.items() if file.executable}
    assert executable == {"bin/edgec-run", "run.sh", "verify.sh", "install.sh", "trust.sh"}


def test_only_a_model_that_takes_one_picture_plays_video(tmp_path: Path) -> None:
    made = bundle(tmp_path / "camera")
    assert {"video/__main__.py", "video/source.py"} <= set(made.files)
    assert not [name for name in made.files if name.startswith("video/") and "__pycache__" in name]
    sensor = tuple(replace(given, image=None) for given in plan().inputs)
    assert not [name for name in bundle(tmp_path / "sensor", inputs=sensor).files if name.startswith("video/")]


@pytest.mark.parametrize(
    ("target", "dtype"),
    [("android-arm64", "bool"), ("android-arm64", "int16"), ("ios", "float16"), ("ios", "bool"), ("macos-arm64", "bool")],
)
def test_an_output_that_an_app_cannot_read_is_refused(tmp_path: Path, target: str, dtype: str) -> None:
    artifact = lowered(tmp_path / "job")
    odd = replace(artifact, outputs=(*artifact.outputs, replace(artifact.outputs[0], name="mask", dtype=dtype)))
    with pytest.raises(Failure) as refused:
        render(plan(target=TARGETS[target]), odd, tmp_path / "job", None, measured(), verdicts(measured()), False)
    (finding,) = refused.value.diagnostics
    assert finding.code == "does-not-fit" and finding.exit_code == 3
    assert f"'mask' is {dtype}" in finding.message and repr(target) in finding.message
    assert finding.hint is not None and "float32, float64, int64" in finding.hint


def test_the_listing_covers_every_other_file_and_names_the_bundle(tmp_path: Path) -> None:
    made = bundle(tmp_path / "parts")
    listing = content(made.files["SHA256SUMS"])
    digests = {
        name: hashlib.sha256(content(file)).hexdigest() for name, file in made.files.items() if name != "SHA256SUMS"
    }
    assert listing == bundles.sums(digests)
    assert made.digest == hashlib.sha256(listing).hexdigest()


def test_an_artifact_that_is_not_the_recorded_one_is_refused(tmp_path: Path) -> None:
    artifact = lowered(tmp_path / "job")
    (tmp_path / "job" / "model.pte").write_bytes(b"another program")
    figures = measured()
    with pytest.raises(Failure, match="not the artifact") as caught:
        render(plan(), artifact, tmp_path / "job", runner(tmp_path / "runner"), figures, verdicts(figures), False)
    assert caught.value.diagnostics[0].code == "digest-mismatch"


@pytest.mark.parametrize("part", ["executable", "library"])
def test_a_runner_that_changed_since_it_was_checked_is_refused(part: str, tmp_path: Path) -> None:
    artifact, figures, made = lowered(tmp_path / "job"), measured(), runner(tmp_path / "runner")
    path = made.executable if part == "executable" else made.libraries[0]
    checked = replace(made, sha256={path: hashlib.sha256(path.read_bytes()).hexdigest()})
    render(plan(), artifact, tmp_path / "job", checked, figures, verdicts(figures), False)
    path.write_bytes(path.read_bytes() + b"and more")
    with pytest.raises(Failure, match="changed while the bundle was made") as caught:
        render(plan(), artifact, tmp_path / "job", checked, figures, verdicts(figures), False)
    assert caught.value.diagnostics[0].code == "digest-mismatch"


def test_nothing_that_a_clock_measured_enters_the_tarball(tmp_path: Path) -> None:
    made = bundle(tmp_path / "one")
    again = lowered(tmp_path / "two" / "job")
    slower = Measured(
        figures=tuple(
            Figure(name=f.name, value=f.value * 2, unit=f.unit, evidence=f.evidence, samples=f.samples, clocked=True)
            if f.clocked else f
            for f in measured().figures
        )
    )  # fmt: skip
    other = render(plan(), again, tmp_path / "two" / "job", runner(tmp_path / "two" / "runner"), slower,
                   verdicts(slower, latency="missed"), True)  # fmt: skip
    assert other.digest == made.digest
    assert other.measurements != made.measurements
    facts = record(made, "bundle.json")
    assert {figure["name"] for figure in facts["figures"]} == {"size", "delegation", "accuracy.top1"}
    assert {verdict["budget"] for verdict in facts["verdicts"]} == {"accuracy.top1.min", "size"}
    assert "A Certain CPU" not in "".join(text(made, name) for name in made.files if not name.endswith(".bin"))


def test_no_file_names_the_place_it_was_made_in(tmp_path: Path) -> None:
    made = bundle(tmp_path / "parts")
    for name, file in made.files.items():
        assert str(tmp_path).encode() not in content(file), name
    assert str(tmp_path).encode() not in made.measurements + made.report


def test_measurements_hold_every_figure_and_name_the_bundle(tmp_path: Path) -> None:
    made = bundle(tmp_path / "parts")
    found = json.loads(made.measurements)
    assert found["schema"] == "edgec/measurements/v1"
    assert found["bundle_sha256"] == made.digest
    assert {figure["name"] for figure in found["figures"]} == {figure.name for figure in measured().figures}
    assert found["host"]["cpu"]
    assert found["parity"][2]["sqnr"] is None, "infinite: there is no error"


def test_a_trial_s_bundle_is_not_for_release(tmp_path: Path) -> None:
    made = bundle(tmp_path / "parts", release=False)
    facts = record(made, "bundle.json")
    assert facts["release"] is False
    assert facts["blockers"] == ["weights are random"]
    assert "**Not for release:** weights are random" in text(made, "README.md")
    assert "not for release" in made.report.decode()


def test_a_determined_miss_blocks_the_release(tmp_path: Path) -> None:
    figures = measured()
    made = render(plan(), lowered(tmp_path / "job"), tmp_path / "job", runner(tmp_path / "runner"), figures,
                  verdicts(figures, size="missed"), True)  # fmt: skip
    facts = record(made, "bundle.json")
    assert (facts["release"], facts["blockers"]) == (False, ["the budget size is missed"])
    assert made.rejected
    assert "rejected" in made.report.decode()


def test_the_sbom_is_valid_and_the_same_every_time(tmp_path: Path) -> None:
    one, two = bundle(tmp_path / "one"), bundle(tmp_path / "two")
    assert content(one.files["sbom.cdx.json"]) == content(two.files["sbom.cdx.json"])
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text(one, "sbom.cdx.json")) is None
    assert validator.validate_str(text(one, "sbom.cdx.json").replace('"components"', '"parts"')) is not None
    found = record(one, "sbom.cdx.json")
    assert "timestamp" not in found["metadata"]
    assert {part["name"] for part in found["components"]} >= {
        "model.pte",
        "bin/edgec-run",
        "lib/libexecutorch.so",
        "torch",
    }


def test_the_serial_number_follows_the_content(tmp_path: Path) -> None:
    one, two = bundle(tmp_path / "one"), bundle(tmp_path / "two", version="1.0.1")
    assert record(one, "sbom.cdx.json")["serialNumber"] != record(two, "sbom.cdx.json")["serialNumber"]


def test_provenance_names_what_was_made_and_from_what(tmp_path: Path) -> None:
    made = bundle(tmp_path / "parts")
    statement = record(made, "provenance.json")
    lines = {line.strip(" ,") for line in text(made, "provenance.json").splitlines()}
    items = [*statement["subject"], *statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert lines >= {json.dumps(item, sort_keys=True) for item in items}, "each is a line of its own"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    subjects = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    assert subjects["model.pte"] == record(made, "bundle.json")["model"]["sha256"]
    assert set(subjects) == set(made.files) - {"SHA256SUMS", "provenance.json"}
    materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {"name": "camera.yaml", "digest": {"sha256": "1" * 64}} in materials
    assert {"name": "weights/camera.safetensors", "digest": {"sha256": "2" * 64}} in materials
    assert {"name": "torch", "uri": "pkg:pypi/torch@2.13.0"} in materials
    assert "/somewhere" not in text(made, "provenance.json")


HOSTILE = [
    "$(touch owned)", "`touch owned`", "'; touch owned; '", '"; touch owned; "', "a\\", "${IFS}x", "!!",
    "a\nExecStartPre=/bin/x",
    "<script>alert(1)</script>", "| cell | {{ 7*7 }} {% raw %}", "](javascript:x) ![x](y)",
    "%n %h", "</style><b>", "'\"\\`$&|;<>*?[]#~=%",
]  # fmt: skip


class Elements(HTMLParser):
    """Counts the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1


def elements(page: bytes) -> dict[str, int]:
    parser = Elements()
    parser.feed(page.decode())
    return parser.seen


@pytest.mark.parametrize("hostile", HOSTILE)
def test_manifest_text_is_only_text(hostile: str, tmp_path: Path) -> None:
    tame = bundle(tmp_path / "tame", description="Harmless.", labels=("harmless", "1"))
    made = bundle(tmp_path / "parts", description=hostile, labels=(hostile, "1"))
    for name in ("run.sh", "verify.sh", "install.sh", "systemd/camera.service", "tests/test_bundle.py"):
        assert content(made.files[name]) == content(tame.files[name]), name
    assert elements(made.report) == elements(tame.report)
    assert record(made, "bundle.json")["task"]["labels"] == [hostile, "1"]
    page = text(made, "README.md")
    assert page.count("\n|") == text(tame, "README.md").count("\n|"), "no cell and no row was added"
    assert not re.search(r"(?<!\\)[<`\[]", page.split("## Budgets")[0].split("## Use")[0])


def test_what_does_reach_a_script_is_quoted(tmp_path: Path) -> None:
    hostile = "1.0.0+$(touch owned)'\""
    made = bundle(tmp_path / "parts", version=hostile)
    line = next(line for line in text(made, "install.sh").splitlines() if line.startswith("version="))
    assert line == f"version={shlex.quote(hostile)}"
    shown = subprocess.run(["sh", "-c", f'{line}\nprintf %s "$version"'], capture_output=True, cwd=tmp_path, check=True)
    assert shown.stdout.decode() == hostile
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["a b", "x\nExecStart=/bin/sh", "%h", "a;b", ""])
def test_a_name_that_a_unit_cannot_hold_is_a_bug_not_a_unit(name: str) -> None:
    with pytest.raises(ValueError, match="systemd unit"):
        systemd_text(name)


def test_the_report_needs_nothing_from_outside(tmp_path: Path) -> None:
    page = bundle(tmp_path / "parts").report.decode()
    assert not re.search(r"""(src|href|url)\s*[=(]|https?://|@import""", page)
    assert "prefers-color-scheme: dark" in page
    for shown in ("97.80 %", "1.5 ms", "exported → quantized", "aten.convolution", "700.00 kB", "≤ 100ms"):
        assert shown in page


def test_a_bundle_without_budgets_or_measurements_renders(tmp_path: Path) -> None:
    none = Measured(figures=())
    made = render(plan(budgets=(), description="", labels=()), lowered(tmp_path / "job"), tmp_path / "job",
                  runner(tmp_path / "runner"), none, (), False)  # fmt: skip
    assert "None are set." in text(made, "README.md")
    assert "The manifest sets none." in made.report.decode()


@pytest.mark.parametrize(
    ("given", "shown"),
    [("a|b", "a\\|b"), ("two\nlines", "two lines"), ("<b>", "\\<b\\>"), ("plain-1.0", "plain-1.0"), (3, "3")],
)
def test_markdown_text(given: object, shown: str) -> None:
    assert markdown_text(given) == shown


def test_shapes_are_written_as_people_write_them() -> None:
    assert shape_text([1, 96, 96, 3]) == "1 × 96 × 96 × 3"
    assert shape_text([512, 8], [1, 8]) == "1..512 × 8"


@pytest.mark.parametrize(
    ("target", "threads", "row"),
    [
        ("jetson-nano", 4, "cortex-a57 (aarch64), glibc 2.27 or newer, 4 threads"),
        ("jetson-nano", 1, "cortex-a57 (aarch64), glibc 2.27 or newer, 1 thread"),
        ("cortex-m4", 1, "cortex-m4 (armv7e-m), 1 thread"),
    ],
)
def test_the_report_names_what_the_bundle_is_made_for(target: str, threads: int, row: str, tmp_path: Path) -> None:
    report = bundle(tmp_path / "parts", target=TARGETS[target], threads=threads).report.decode()
    assert f'made for</td><td>{row}</td>' in report
