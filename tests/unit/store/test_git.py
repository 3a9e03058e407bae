"""What git says has changed: committed on this branch, staged, edited, new and deleted, and nothing else."""

import os
import subprocess

import pytest

from edgec.diagnostics import Failure
from edgec.store import git as asked
from edgec.store.git import changed_since


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for name in ("one.txt", "two.txt", "three.txt", "four.txt"):
        (folder / name).write_text(name)
    commit(folder, "first")
    return folder


def git(folder, *arguments):
    command = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def commit(folder, message):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def names(folder, revision="main"):
    return sorted(path.relative_to(folder).as_posix() for path in changed_since(revision, folder))


def test_every_way_to_change_a_file_counts(repository):
    git(repository, "checkout", "-q", "-b", "mine")
    (repository / "one.txt").write_text("committed")
    commit(repository, "second")
    (repository / "two.txt").write_text("staged")
    git(repository, "add", "-A")
    (repository / "three.txt").write_text("edited")
    (repository / "four.txt").unlink()
    (repository / "fünf \n.txt").write_text("new")
    (repository / ".gitignore").write_text("out/\n")
    (repository / "out").mkdir()
    (repository / "out" / "bundle").write_text("ignored")
    assert names(repository) == [".gitignore", "four.txt", "fünf \n.txt", "one.txt", "three.txt", "two.txt"]


def test_what_the_other_branch_gained_is_no_change_here(repository):
    git(repository, "checkout", "-q", "-b", "mine")
    (repository / "one.txt").write_text("mine")
    commit(repository, "mine")
    git(repository, "checkout", "-q", "main")
    (repository / "two.txt").write_text("theirs")
    commit(repository, "theirs")
    git(repository, "checkout", "-q", "mine")
    assert names(repository) == ["one.txt"]


def test_a_folder_below_the_top_sees_all_of_the_repository(repository):
    (repository / "below").mkdir()
    (repository / "one.txt").write_text("edited")
    assert changed_since("HEAD", repository / "below") == {repository / "one.txt"}


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "", "HEAD:one.txt"])
def test_a_revision_that_git_does_not_know_is_refused(revision, repository):
    with pytest.raises(Failure) as refused:
        changed_since(revision, repository)
    assert refused.value.diagnostics[0].code == "since-unknown" and refused.value.exit_code == 2
    assert not (repository / "x").exists()


def test_without_a_repository_there_is_no_since(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(Failure, match="no git repository"):
        changed_since("HEAD", tmp_path)


def test_of_a_submodule_its_folder_is_named_whatever_differs_in_it(repository, tmp_path):
    inside = tmp_path / "other"
    inside.mkdir()
    git(inside, "init", "-q", "-b", "main")
    (inside / "a.png").write_text("a")
    commit(inside, "first")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inside), "data")
    commit(repository, "with data")
    assert names(repository) == []
    (repository / "data" / "new.png").write_text("not added")
    assert names(repository) == ["data"]
    git(repository / "data", "add", "-A")
    git(repository / "data", "commit", "-q", "-m", "second")
    assert names(repository) == ["data"]
    commit(repository, "other data")
    assert names(repository) == [] and names(repository, "HEAD~1") == ["data"]


def test_of_a_link_the_link_is_named(repository):
    (repository / "link").symlink_to("one.txt")
    commit(repository, "a link")
    (repository / "link").unlink()
    (repository / "link").symlink_to("two.txt")
    assert names(repository) == ["link"]


def test_a_repository_of_another_owner_is_told_with_what_to_do(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(Failure, match="dubious ownership") as refused:
        changed_since("HEAD", repository)
    (finding,) = refused.value.diagnostics
    assert finding.code == "since-unknown" and "no git repository" not in finding.message
    assert finding.hint.endswith(f"git config --global --add safe.directory {repository}")
    (repository / "sub").mkdir()
    with pytest.raises(Failure) as refused:
        changed_since("HEAD", repository / "sub")
    assert refused.value.diagnostics[0].hint == finding.hint, "git asks for the top"


def test_gits_own_reason_is_told(repository):
    (repository / ".git" / "index").write_bytes(b"no index")
    with pytest.raises(Failure, match=r"git diff failed in .*: fatal: .*index file"):
        changed_since("HEAD", repository)
    (repository / ".git" / "config").write_text("[core\n")
    with pytest.raises(Failure, match="bad config line 1"):
        changed_since("HEAD", repository)


def test_a_git_that_does_not_answer_is_told(repository, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(asked, "TIME_LIMIT_SECONDS", 0.2)
    with pytest.raises(Failure, match="git rev-parse has not answered") as refused:
        changed_since("HEAD", repository)
    assert refused.value.diagnostics[0].code == "since-unknown"
