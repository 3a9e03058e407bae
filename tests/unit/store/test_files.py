"""Paths of a manifest: found in the project, or refused at their place."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgec import marks, reads
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure
from edgec.store import files
from edgec.store.files import located, sha256_of, sha256_of_all, sha256_once


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path.resolve() / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "model.pt").write_text("x")
    return Project(root=root, folder=root / "folder")


def refused(project: Project, path: str, kind: str = "file") -> Diagnostic:
    with pytest.raises(Failure) as caught:
        located(project, path, ("weights", "file"), code="weights-invalid", kind=kind)  # type: ignore[arg-type]
    (finding,) = caught.value.diagnostics
    assert finding.where is not None and (finding.where.file, finding.where.route) == ("", ("weights", "file"))
    return finding


def test_a_file_is_found_and_the_nearest_is_suggested(project: Project) -> None:
    assert located(project, "model.pt", (), code="weights-invalid") == project.folder / "model.pt"
    assert refused(project, "modle.pt").hint == "did you mean 'model.pt'?"
    assert "no folder 'wieghts'" in str(refused(project, "wieghts/model.pt").hint)
    assert "is not a file" in refused(project, ".").message
    assert "is not a folder" in refused(project, "model.pt", "folder").message


def test_paths_do_not_leave_the_root(project: Project) -> None:
    (project.folder / "link").symlink_to("/etc/hostname")
    for path in ("../../x", "/etc/hostname", "link"):
        assert refused(project, path).code == "path-outside-root"
    (project.root / "y").write_text("")
    assert located(project, "../y", (), code="weights-invalid") == project.root / "y"


def test_a_file_that_many_ask_for_is_read_once_while_nothing_has_touched_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = project.folder / "model.pt", []
    monkeypatch.setattr(files, "sha256_of", lambda found: read.append(1) or sha256_of(found))
    files._settled.cache_clear()
    assert sha256_once(path) == sha256_once(path) == sha256_of(path)
    assert len(read) == 2, "a file so new could change again without a new time"
    monkeypatch.setattr(marks, "SETTLED_NS", -(10**12))
    assert sha256_once(path) == sha256_once(path)
    assert len(read) == 3
    times = path.stat()
    path.write_text("y")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sha256_once(path) == sha256_of(path) == hashlib.sha256(b"y").hexdigest()


def test_a_folder_is_named_where_it_is_no_file(project: Project) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        sha256_of(project.folder)
    assert caught.value.filename == str(project.folder)


def test_digests(project: Project) -> None:
    path = project.folder / "model.pt"
    for content in (b"", bytes(reads.PIECE), bytes(reads.PIECE + 1)):
        (project.folder / "a").write_bytes(content)
        assert sha256_of(project.folder / "a") == hashlib.sha256(content).hexdigest()
    assert sha256_of(path) == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (project.folder / "b").write_text("b")
    both = sha256_of_all([path, project.folder / "b"], project)
    assert both == sha256_of_all([project.folder / "b", path], project)
    (project.folder / "b").rename(project.folder / "c")
    assert both != sha256_of_all([path, project.folder / "c"], project)
    name = project.relative(project.folder / "b")
    digest = hashlib.sha256(b"b").hexdigest()
    assert both == sha256_of_all([path, project.folder / "b"], replace(project, files={name: digest}))  # it is gone by now


LONG = "x" * 300


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_circle_of_links_and_a_path_too_long_are_refused_as_what_is_not_there(project: Project, kind: str) -> None:
    (project.folder / "circle").symlink_to("ring")
    (project.folder / "ring").symlink_to("circle")
    for path in ("circle", "circle/x", "../folder/ring/x"):
        finding = refused(project, path, kind)
        assert (finding.code, "leads in a circle" in finding.message) == ("weights-invalid", True)
    for path in (LONG, f"{LONG}/x", f"{LONG}/{LONG}", "x/" * 3000):
        finding = refused(project, path, kind)
        assert (finding.code, "is longer than a path can be" in finding.message) == ("weights-invalid", True)
    assert "is no path: embedded null byte" in refused(project, "a\0b", kind).message


def test_what_is_not_there_is_no_neighbour_of_itself(project: Project) -> None:
    (project.folder / "circle").symlink_to("circle")
    assert "did you mean" not in str(refused(project, "circle").hint)


def test_what_may_not_be_looked_at_is_no_fault_of_the_path(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(PermissionError):
        located(project, "model.pt", (), code="weights-invalid")
