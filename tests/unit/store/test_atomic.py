"""Atomic writes: what is there is old or new, whole; errors have names; folders change places in one step."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgec.artifacts.bundle import File
from edgec.diagnostics import Failure
from edgec.store import atomic


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_written_file_has_its_content_and_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        atomic.write_file(tmp_path / "plain", b"one")
        atomic.write_file(tmp_path / "script", b"two", executable=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "script").stat().st_mode) == 0o755
    assert tree(tmp_path) == {"plain": b"one", "script": b"two"}


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atomic.write_file(tmp_path / "file", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_file(tmp_path / "file", b"new")
    assert tree(tmp_path) == {"file": b"old"}


def test_ctrl_c_just_after_the_rename_is_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, target: Path, real: Callable[[Path, Path], Path] = Path.replace) -> None:
        real(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_file(tmp_path / "file", b"new")
    assert tree(tmp_path) == {"file": b"new"}


@pytest.mark.parametrize("name", ["../x", "/x", "a/../x", "a//b", "", ".", "a/.", "a\\b", "a\0b"])
def test_a_name_that_leads_out_of_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a plain relative path"):
        atomic.inside(tmp_path, name)


def test_a_tree_is_written_with_its_modes(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"copied")
    files = {"a/b": File(content=b"x", executable=True), "c": File(content=tmp_path / "source")}
    atomic.write_tree(tmp_path / "tree", files)
    assert tree(tmp_path / "tree") == {"a/b": b"x", "c": b"copied"}
    assert stat.S_IMODE((tmp_path / "tree" / "a" / "b").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "tree" / "a").stat().st_mode) == 0o755


@pytest.mark.parametrize("one_step", [True, False])
def test_folders_change_places(one_step: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not one_step:
        monkeypatch.setattr(atomic, "_renameat2", lambda: None)
    for name in ("staged", "final"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert atomic.exchange(tmp_path / "staged", tmp_path / "final") is True
    assert tree(tmp_path) == {"staged/final": b"", "final/staged": b""}


def test_a_folder_moves_to_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    assert atomic.exchange(tmp_path / "staged", tmp_path / "final") is False
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_an_exchange_that_fails_halfway_puts_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_renameat2", lambda: None)
    (tmp_path / "final").mkdir()
    with pytest.raises(FileNotFoundError):
        atomic.exchange(tmp_path / "missing", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EACCES, "not-writable"),
        (errno.EIO, "not-writable"),
    ],
)
def test_what_the_system_refused_has_a_name_and_exit_code_8(number: int, code: str) -> None:
    with pytest.raises(Failure) as caught, atomic.environment_errors("write it"):
        raise OSError(number, os.strerror(number), "/some/file")
    assert [found.code for found in caught.value.diagnostics] == [code]
    assert caught.value.exit_code == 8
    assert "write it" in str(caught.value)
    assert "/some/file" in str(caught.value)


def test_a_failed_read_is_told_from_a_failed_write() -> None:
    with pytest.raises(Failure) as caught, atomic.read_errors("it"):
        raise PermissionError(errno.EACCES, "Permission denied", "/some/file")
    (found,) = caught.value.diagnostics
    assert (found.code, found.exit_code) == ("not-readable", 8)
    assert found.message == "could not read it: Permission denied (/some/file)"


def test_a_lock_keeps_another_process_out_and_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from edgec.store.atomic import exclusive\n"
        "place = pathlib.Path(sys.argv[1])\n"
        "for _ in range(200):\n"
        "    with exclusive(place / 'lock'):\n"
        "        count = int((place / 'count').read_text()); (place / 'count').write_text(str(count + 1))\n"
    )
    (tmp_path / "count").write_text("0")
    both = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert tree(tmp_path) == {"count": b"400"}


def test_a_tree_is_removed_and_nothing_that_its_links_lead_to(tmp_path: Path) -> None:
    kept, tree = tmp_path / "kept", tmp_path / "tree"
    for folder in (kept, tree / "a" / "b", tree / "empty"):
        folder.mkdir(parents=True)
        for number in range(6):
            (folder / str(number)).write_text("x")
    (tree / "a" / "link").symlink_to(kept)
    (tree / "file").symlink_to(kept / "1")
    (tree / "gone").symlink_to("nowhere")
    atomic.remove_tree(tree)
    assert not tree.exists() and len(list(kept.iterdir())) == 6


def test_what_keeps_a_tree_from_being_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "tree" / name).write_text("x")
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "two":
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError, match="two"):
        atomic.remove_tree(tmp_path / "tree")
    assert (tmp_path / "tree" / "two").exists()


def test_a_link_is_no_tree_and_what_it_leads_to_is_left(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    with pytest.raises(OSError, match="symbolic link"):
        atomic.remove_tree(tmp_path / "link")
    assert (tmp_path / "kept" / "file").exists()


def test_a_tree_is_removed_where_the_system_gives_but_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Thread] = []
    start = threading.Thread.start

    def first(thread: threading.Thread) -> None:
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    (tmp_path / "tree").mkdir()
    for number in range(20):
        (tmp_path / "tree" / str(number)).write_text("x")
    monkeypatch.setattr(threading.Thread, "start", first)
    atomic.remove_tree(tmp_path / "tree")
    assert begun and not (tmp_path / "tree").exists()
