"""stages.discover: which files are manifests, what is passed over, and where the root is."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgec.diagnostics import Failure
from edgec.pipeline import front, fronts
from edgec.stages.discover import discover, project_of

SMALLEST = (Path(__file__).parents[2] / "cases" / "valid" / "smallest" / "manifest.yaml").read_text(encoding="utf-8")


def test_of_a_folder_only_edgecs_own_yaml_is_taken(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(SMALLEST)
    (tmp_path / "a.yml").write_text("'apiVersion': \"edgec/v1\"\n")
    (tmp_path / "kubernetes.yaml").write_text("apiVersion: apps/v1\n")
    (tmp_path / "broken.yaml").write_text("apiVersion: edgec/v1\n[")
    (tmp_path / "nothing.yaml").write_text("name: x\n")
    (tmp_path / "text.txt").write_text("apiVersion: edgec/v1\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.yaml").write_text(SMALLEST)
    files, warnings = discover([tmp_path])
    assert [file.name for file in files] == ["a.yml", "b.yaml", "broken.yaml"]
    assert [(warning.code, warning.severity) for warning in warnings] == [("no-api-version", "warning")]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST)
    assert discover([tmp_path, tmp_path / "a.yaml"])[0] == [tmp_path / "a.yaml"]


def test_no_manifest_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        discover([tmp_path])
    assert caught.value.exit_code == 2


def test_without_a_path_manifests_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "top.yaml").write_text(SMALLEST)
    assert discover([])[0] == [Path("top.yaml")]
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "a.yaml").write_text(SMALLEST)
    assert discover([])[0] == [Path("manifests/a.yaml")]


def test_the_root_is_the_given_one_else_gits_else_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "repository" / "manifests"
    folder.mkdir(parents=True)
    manifest = folder / "a.yaml"
    assert project_of(manifest).root == folder.resolve()
    (tmp_path / "repository" / ".git").mkdir()
    assert project_of(manifest).root == (tmp_path / "repository").resolve()
    assert project_of(manifest, tmp_path).root == tmp_path.resolve()
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(Failure, match="outside the root"):
        project_of(manifest, tmp_path / "elsewhere")


def test_two_manifests_of_one_name_and_version_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST)
    (tmp_path / "b.yaml").write_text(SMALLEST)
    passed, diagnostics, _ = fronts([tmp_path])
    assert passed == []  # which of the two is meant is not edgec's to say
    (found,) = diagnostics
    assert found.code == "name-twice" and found.where and found.where.file.endswith("b.yaml")
    (tmp_path / "b.yaml").write_text(SMALLEST.replace("1.0.0", "1.0.1"))
    assert fronts([tmp_path])[1] == []


def test_two_manifests_with_one_tarball_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST.replace("1.0.0", "1.0.0-rc"))
    target = "{name: rc-linux-x86_64, base: linux-x86_64}"
    (tmp_path / "b.yaml").write_text(SMALLEST.replace("[linux-x86_64]", f"[{target}]"))
    (tmp_path / "c.yaml").write_text(SMALLEST.replace("1.0.0", "2.0.0"))
    passed, (found,), _ = fronts([tmp_path])
    assert [checked.document.path for checked in passed] == [str(tmp_path / "c.yaml")]
    assert (found.code, found.exit_code) == ("name-twice", 3)
    assert "trial-1.0.0-rc-linux-x86_64.tar.gz" in found.message and found.where and found.where.file.endswith("b.yaml")


def test_all_that_share_a_tarball_are_left_out(tmp_path: Path) -> None:
    target = "{name: 1-t, base: linux-x86_64}"
    (tmp_path / "a.yaml").write_text(SMALLEST)
    (tmp_path / "b.yaml").write_text(SMALLEST.replace("[linux-x86_64]", f"[{target}]"))
    (tmp_path / "c.yaml").write_text(
        SMALLEST.replace("1.0.0", "1.0.0-1").replace("[linux-x86_64]", "[{name: t, base: linux-x86_64}]")
    )
    passed, diagnostics, _ = fronts([tmp_path])
    assert passed == [] and [found.code for found in diagnostics] == ["name-twice", "name-twice"]


def test_one_bad_manifest_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST + "x: 1\n")
    (tmp_path / "b.yaml").write_text(SMALLEST)
    (tmp_path / "c.yaml").write_text("apiVersion: edgec/v1\n]")
    passed, diagnostics, documents = fronts([tmp_path])
    assert [checked.document.path for checked in passed] == [str(tmp_path / "b.yaml")]
    assert [found.code for found in diagnostics] == ["unknown-key", "yaml-syntax"]
    assert set(documents) == {str(tmp_path / name) for name in ("a.yaml", "b.yaml", "c.yaml")}


def refuse(error: int, *names: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Path.``method`` fail for paths with these names: a test may run as root, whom no permission stops."""
    real = getattr(Path, method)

    def refusing(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name in names:
            raise OSError(error, os.strerror(error), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, method, refusing)


def test_what_cannot_be_read_hides_no_other_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = SMALLEST.replace("tensor", "{name: classification, options: {labels: labels.txt}}").replace("trial", "c")
    (tmp_path / "a.yaml").write_text(SMALLEST)
    (tmp_path / "b.yaml").write_text(SMALLEST.replace("trial", "b"))
    (tmp_path / "c.yaml").write_text(labelled)
    (tmp_path / "labels.txt").write_text("0\n1\n")
    (tmp_path / "closed").mkdir()
    refuse(errno.EACCES, "a.yaml", method="open", monkeypatch=monkeypatch)
    refuse(errno.EACCES, "labels.txt", method="read_bytes", monkeypatch=monkeypatch)
    refuse(errno.EIO, "closed", method="iterdir", monkeypatch=monkeypatch)
    passed, diagnostics, _ = fronts([tmp_path, tmp_path / "closed"])
    assert [checked.manifest.name for checked in passed] == ["b"]
    assert [(found.code, found.exit_code) for found in diagnostics] == [("not-readable", 8)] * 3
    for name, found in zip(("closed", "a.yaml", "labels.txt"), diagnostics, strict=True):
        assert found.message.endswith(f"({tmp_path / name})")


def test_a_failure_carries_the_text_it_points_into(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SMALLEST + "x: 1\n")
    with pytest.raises(Failure) as caught:
        front(path)
    assert caught.value.documents[str(path)].text.endswith("x: 1\n")


@pytest.mark.parametrize("path", ["x" * 300, f"{'x' * 300}/a.yaml", "circle", "circle/a.yaml"], ids=len)
def test_a_path_that_leads_nowhere_is_no_manifest(path: str, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    passed, (found,), _ = fronts([tmp_path / path])
    assert (passed, found.code, found.exit_code, found.hint) == ([], "no-manifest", 2, None)


AS_JSON = json.dumps(yaml.safe_load(SMALLEST))
FORMS = {
    "flow": AS_JSON,
    "pretty": json.dumps(json.loads(AS_JSON), indent=2),
    "indented": "".join(f"  {line}\n" for line in SMALLEST.splitlines()),
    "remarked": f"%YAML 1.2\n# A manifest.\n---  # here\n\n  # and indented\n{AS_JSON}\n",
    "after dashes": f"--- {AS_JSON}\n",
    "marked": "\ufeff" + SMALLEST,
    "late": json.dumps({"model": {"apiVersion": "x", "list": [{"apiVersion": "y"}]}, **json.loads(AS_JSON)}, indent=1),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_is_one_however_its_mapping_is_written(form: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FORMS[form], encoding="utf-8")
    assert discover([tmp_path]) == ([tmp_path / "a.yaml"], [])


@pytest.mark.parametrize(
    "text",
    ["- apiVersion: edgec/v1\n", " - apiVersion: edgec/v1\n", "a: {apiVersion: edgec/v1}\n",
     '{"a": [1, }, "apiVersion": "edgec/v1"', "# apiVersion: edgec/v1\n", "a: apiVersion\nb: c\n",
     '{"a": 1}\n---\n{"apiVersion": "edgec/v1"}\n', '{"apiVersion": ["edgec/v1"]}'],
)  # fmt: skip
def test_what_has_no_api_version_of_its_own_is_passed_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(SMALLEST)
    (tmp_path / "c.yaml").write_text('{"apiVersion": "apps/v1"}')
    files, (told,) = discover([tmp_path])
    assert files == [tmp_path / "b.yaml"] and told.code == "no-api-version"


def test_a_target_file_is_one_however_its_mapping_is_written(tmp_path: Path) -> None:
    target = {"apiVersion": "edgec/v1", "kind": "Target", "name": "door", "base": "linux-x86_64", "threads": 2}
    (tmp_path / "a.yaml").write_text(json.dumps(target))
    assert fronts([tmp_path])[:2] == ([], [])


def test_other_files_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders may hold hundreds of them."""
    (tmp_path / "a.yaml").write_text(SMALLEST)
    (tmp_path / "b.yaml").write_text("services: {web: {image: x}}\n")
    (tmp_path / "c.yaml").write_text("# Patches.\n---\npatches:\n  - apiVersion: apps/v1\n")
    monkeypatch.setattr("edgec.stages.discover._value_of", lambda *_: pytest.fail("looked through"))
    assert discover([tmp_path])[0] == [tmp_path / "a.yaml"]
