"""Paths of a manifest: found in the project, or refused at their place."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgec import marks
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
    whole = files.sha256_stream
    monkeypatch.setattr(files, "sha256_stream", lambda handle: read.append(1) or whole(handle))
    files._settled.cache_clear()
    assert sha256_once(path) == sha256_once(path) == sha256_of(path)
    assert len(read) == 3, "a file so new could change again without a new time"
    monkeypatch.setattr(marks, "SETTLED_NS", -(10**12))
    assert sha256_once(path) == sha256_once(path)
    assert len(read) == 4
    times = path.stat()
    path.write_text("y")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sha256_once(path) == sha256_of(path) == hashlib.sha256(b"y").hexdigest()


def test_digests(project: Project) -> None:
    path = project.folder / "model.pt"
    assert sha256_of(path) == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (project.folder / "b").write_text("b")
    both = sha256_of_all([path, project.folder / "b"], project)
    assert both == sha256_of_all([project.folder / "b", path], project)
    (project.folder / "b").rename(project.folder / "c")
    assert both != sha256_of_all([path, project.folder / "c"], project)
    name = project.relative(project.folder / "b")
    digest = hashlib.sha256(b"b").hexdigest()
    assert both == sha256_of_all([path, project.folder / "b"], replace(project, files={name: digest}))  # it is gone by now
