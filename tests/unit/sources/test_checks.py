"""What the sources find wrong without torch."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure
from edgec.sources import exported, python, torchvision
from edgec.sources.torchvision_table import architectures

SHA256 = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path.resolve()
    (root / "w.safetensors").write_bytes(b"weights")
    return Project(root=root, folder=root)


def check(project: Project, weights: Any = "DEFAULT", name: str = "mobilenet_v2", **more: Any) -> list[Diagnostic]:
    return torchvision.check({"name": name, "weights": weights, **more}, project)


def only(findings: list[Diagnostic]) -> tuple[str, tuple[Any, ...]]:
    (finding,) = findings
    assert finding.where is not None and finding.where.file == ""
    return finding.code, finding.where.route


def test_every_kind_of_weights_is_accepted(project: Project) -> None:
    assert check(project, {"file": "w.safetensors", "sha256": SHA256}) == []
    assert check(project, {"url": "https://example.org/w.pth", "sha256": SHA256}) == []
    assert check(project, {"random": 0}) == []
    for name in ("DEFAULT", "IMAGENET1K_V1", "MobileNet_V2_Weights.IMAGENET1K_V2", "MobileNet_V2_Weights.DEFAULT"):
        assert check(project, name) == []
    options = {"name": "mobilenet_v2", "weights": {"file": "w.safetensors", "sha256": SHA256}}
    assert torchvision.files(options, project) == [project.folder / "w.safetensors"]
    assert torchvision.files({"name": "mobilenet_v2", "weights": "DEFAULT"}, project) == []


def test_an_unknown_architecture_is_named_with_the_nearest(project: Project) -> None:
    (finding,) = check(project, {"random": 0}, name="mobilenetv2")
    assert (finding.code, finding.exit_code, finding.hint) == (
        "architecture-unknown",
        3,
        "did you mean 'mobilenet_v2'?",
    )
    assert only(check(project, {"random": 0}, name="frobnicate")) == ("architecture-unknown", ("name",))


def test_unknown_weights_are_named_with_the_nearest(project: Project) -> None:
    (finding,) = check(project, "IMAGENET_1K_V1")
    assert finding.code == "weights-invalid"
    assert finding.hint == "did you mean 'IMAGENET1K_V1'? (known: IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT)"
    assert only(check(project, "ResNet50_Weights.IMAGENET1K_V1")) == ("weights-invalid", ("weights",))
    assert "has no weights for mnasnet" not in str(check(project, "DEFAULT", name="mnasnet0_5"))


@pytest.mark.parametrize(
    ("weights", "code", "route"),
    [
        (None, "weights-invalid", ("weights",)),
        ({}, "weights-invalid", ("weights",)),
        ({"sha256": SHA256}, "weights-invalid", ("weights",)),
        ({"file": "w.safetensors"}, "weights-invalid", ("weights",)),
        ({"url": "https://example.org/x"}, "weights-invalid", ("weights",)),
        ({"file": "w.safetensors", "url": "https://x.org/y", "sha256": SHA256}, "weights-invalid", ("weights",)),
        ({"file": "w.safetensors", "sha256": SHA256.upper()}, "weights-invalid", ("weights", "sha256")),
        ({"file": "w.safetensors", "sha256": SHA256 + "\n"}, "weights-invalid", ("weights", "sha256")),
        ({"file": "w.safetensors", "sha256": "0" * 64}, "digest-mismatch", ("weights", "sha256")),
        ({"file": "v.safetensors", "sha256": SHA256}, "weights-invalid", ("weights", "file")),
        ({"file": "../w.safetensors", "sha256": SHA256}, "path-outside-root", ("weights", "file")),
        ({"url": "http://example.org/x", "sha256": SHA256}, "weights-invalid", ("weights", "url")),
        ({"url": "file:///etc/passwd", "sha256": SHA256}, "weights-invalid", ("weights", "url")),
        ({"url": "https://u:p@example.org/x", "sha256": SHA256}, "weights-invalid", ("weights", "url")),
        ({"url": "https://:p@example.org/x", "sha256": SHA256}, "weights-invalid", ("weights", "url")),
        ({"url": "https://[bad/x.pt", "sha256": SHA256}, "weights-invalid", ("weights", "url")),
        ({"url": "https://example.org:99999/x.pt", "sha256": SHA256}, "weights-invalid", ("weights", "url")),
        ({"url": "https://example.org/modèle.pt", "sha256": SHA256}, "weights-invalid", ("weights", "url")),
        ({"random": -1}, "weights-invalid", ("weights", "random")),
        ({"random": True}, "weights-invalid", ("weights", "random")),
        ({"random": 1, "sha256": SHA256}, "weights-invalid", ("weights", "sha256")),
    ],
)
def test_weights_that_cannot_be_loaded_are_refused(
    project: Project, weights: Any, code: str, route: tuple[Any, ...]
) -> None:
    assert only(check(project, weights)) == (code, route)


def test_the_missing_sha256_is_offered(project: Project) -> None:
    (finding,) = check(project, {"file": "w.safetensors"})
    assert finding.hint == f"sha256: {SHA256}"


def test_all_problems_are_reported_together(project: Project) -> None:
    found = check(project, None, name="resnet51", arguments={"weights": "DEFAULT", "num_classes": 3})
    assert [finding.code for finding in found] == ["weights-invalid", "architecture-unknown", "weights-invalid"]


def test_every_weight_of_the_table_carries_a_digest_in_its_name() -> None:
    urls = [url for row in architectures().values() for url in row.weights.values()]
    assert len(urls) > 100
    for url in urls:
        assert url.startswith("https://") and len(torchvision._prefix(url)) >= 8


# --- python


def write(project: Project, name: str, text: str) -> None:
    path = project.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(("file", "entry"), [("code.py", "code:build"), ("code/net.py", "code.net:build")])
def test_a_module_named_like_pythons_own_is_told_so(project: Project, file: str, entry: str) -> None:
    write(project, file, "def build(): ...\n")
    (finding,) = python.check({"entry": entry}, project)
    assert finding.code == "entry-invalid" and "Python has a module 'code' of its own" in finding.message
    assert finding.hint == "rename it, for example my_code"
    (absent,) = python.check({"entry": "cmd:build"}, project)
    assert "there is no module 'cmd'" in absent.message


def test_an_entry_is_read_and_not_run(project: Project) -> None:
    write(project, "net.py", "raise SystemExit(9)\nif True:\n    def build(): ...\n")
    assert python.check({"entry": "net:build"}, project) == []
    (finding,) = python.check({"entry": "net:biuld"}, project)
    assert (finding.code, finding.exit_code, finding.hint) == ("entry-invalid", 3, "did you mean 'build'?")


@pytest.mark.parametrize(
    "entry",
    ["net", "net:", ":build", "../net:build", "net..x:build", "net:build()", "none:build", "os:system", f"{'x' * 300}:build"],
)
def test_entries_outside_the_project_are_refused(project: Project, entry: str) -> None:
    write(project, "net.py", "def build(): ...\n")
    assert only(python.check({"entry": entry}, project)) == ("entry-invalid", ("entry",))


def test_a_module_that_is_a_link_out_of_the_root_is_refused(project: Project, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "net.py"
    outside.write_text("def build(): ...\n")
    (project.root / "net.py").symlink_to(outside)
    assert only(python.check({"entry": "net:build"}, project)) == ("entry-invalid", ("entry",))


@pytest.mark.parametrize("text", ["def build(:\n", "def build(): ...\n\0"])
def test_a_module_that_does_not_parse_is_refused(project: Project, text: str) -> None:
    write(project, "net.py", text)
    assert only(python.check({"entry": "net:build"}, project)) == ("entry-invalid", ("entry",))


def test_what_the_code_reads_is_listed_trusted_and_must_be_there(project: Project) -> None:
    write(project, "net.py", "def build(): ...\n")
    write(project, "best.pt", "1")
    write(project, "config/deep/a.json", "1")
    write(project, "config/.hidden", "1")
    options = {"entry": "net:build", "files": ["best.pt", "config"]}
    assert python.check(options, project) == []
    listed = [project.relative(path) for path in python.files(options, project)]
    assert listed == ["best.pt", "config/deep/a.json", "net.py"]
    digest = python.trust_digest(options, project)
    assert digest != python.trust_digest({"entry": "net:build"}, project)
    write(project, "config/deep/a.json", "2")
    assert python.trust_digest(options, project) != digest
    assert only(python.check({"entry": "net:build", "files": ["best.pth"]}, project)) == ("entry-invalid", ("files", 0))
    assert only(python.check({"entry": "net:build", "files": ["../x"]}, project)) == ("path-outside-root", ("files", 0))
    (project.root / "config" / "out").symlink_to("/etc/passwd")
    assert only(python.check(options, project)) == ("path-outside-root", ("files",))


def test_trust_covers_every_module_that_is_imported(project: Project) -> None:
    write(project, "pack/__init__.py", "")
    write(
        project,
        "pack/net.py",
        "from . import layers\nfrom .deep.block import Block\nimport json, numpy\ndef build(): ...\n",
    )
    write(project, "pack/layers.py", "def late():\n    import helper\n")
    write(project, "pack/deep/block.py", "from pack.layers import late\nclass Block: ...\n")
    write(project, "helper.py", "")
    write(project, "unused.py", "")
    write(project, "json.py", "")
    options = {"entry": "pack.net:build", "weights": {"file": "w.safetensors", "sha256": SHA256}}
    assert python.check(options, project) == []
    assert [path.relative_to(project.root).as_posix() for path in python.files(options, project)] == [
        "helper.py", "pack/__init__.py", "pack/deep/block.py", "pack/layers.py", "pack/net.py", "w.safetensors",
    ]  # fmt: skip
    before = python.trust_digest(options, project)
    write(project, "unused.py", "changed")
    assert python.trust_digest(options, project) == before
    write(project, "helper.py", "changed = 1")
    assert python.trust_digest(options, project) != before


def test_weights_of_python_are_files_or_urls(project: Project) -> None:
    write(project, "net.py", "def build(): ...\n")
    assert only(python.check({"entry": "net:build", "weights": {"random": 1}}, project)) == (
        "weights-invalid",
        ("weights",),
    )


# --- exported


def test_an_exported_program_needs_its_own_sha256(project: Project) -> None:
    good = {"file": "w.safetensors", "sha256": SHA256}
    assert exported.check(good, project) == []
    assert exported.trust(good) == "w.safetensors" and exported.trust_digest(good, project) == SHA256
    assert only(exported.check({**good, "sha256": "0" * 64}, project)) == ("digest-mismatch", ("sha256",))
    assert only(exported.check({**good, "sha256": "xyz"}, project)) == ("entry-invalid", ("sha256",))
    assert only(exported.check({**good, "file": "none.pt2"}, project)) == ("entry-invalid", ("file",))
    with pytest.raises(Failure):
        exported.files({**good, "file": "/etc/hostname"}, project)


def test_nothing_here_imports_torch() -> None:
    modules = ["sources.torchvision", "sources.python", "sources.exported", "datasets.image_folder", "datasets.npz"]
    code = "".join(f"import edgec.{name};" for name in [*modules, "datasets.csv", "store.fetch"]) + (
        "from edgec.sources.torchvision_table import architectures; architectures(); import sys;"
        "print([name for name in ('torch', 'numpy', 'PIL', 'torchvision') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
