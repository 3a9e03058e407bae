"""What the program reads is noted, whoever reads it; and a later look finds every change of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgec import marks, reads
from edgec.artifacts.project import Project
from edgec.datasets import coco
from edgec.datasets.coco_file import Picture
from edgec.reads import Reads
from edgec.runtime import identity, toolchain
from edgec.store import trust


@pytest.fixture(params=["young", "settled"])
def folder(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two files; where they are settled, only their marks are looked at."""
    if request.param == "settled":
        monkeypatch.setattr(marks, "SETTLED_NS", -(10**12))
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / "one").write_text("one")
    (tmp_path / "read" / "two").write_text("two")
    return tmp_path / "read"


def still(seen: Reads) -> bool:
    return reads.still(seen.files, seen.folders)


READERS: dict[str, Callable[[Path], object]] = {
    "open": lambda path: open(path).close(),  # noqa: PTH123
    "os.open": lambda path: os.close(os.open(path, os.O_RDONLY)),
    "bytes": lambda path: open(os.fsencode(path)).close(),  # noqa: PTH123
    "Path": lambda path: path.read_bytes(),
    "relative": lambda path: Path(os.path.relpath(path)).read_bytes(),
    "sha256": lambda path: reads.sha256(str(path)),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_was_read_and_then_written_shows(reader: str, folder: Path) -> None:
    with reads.noted() as seen:
        READERS[reader](folder / "one")
    assert str(folder / "one") in map(os.path.realpath, seen.files) and still(seen)
    (folder / "one").write_text("another")
    assert not still(seen)


def test_what_was_not_read_may_change(folder: Path) -> None:
    with reads.noted() as seen:
        (folder / "one").read_text()
    (folder / "two").write_text("another")
    assert still(seen)


def test_what_was_only_written_may_change(folder: Path) -> None:
    with reads.noted() as seen:
        (folder / "one").write_text("once")
        with (folder / "two").open("a"):
            pass
    (folder / "one").write_text("twice")
    assert still(seen) and not seen.files


LISTERS: dict[str, Callable[[Path], object]] = {
    "listdir": os.listdir,
    "scandir": lambda folder: os.scandir(folder).close(),
    "iterdir": lambda folder: list(folder.iterdir()),
    "glob": lambda folder: list(folder.glob("*")),
    "beside a file that was read": lambda folder: (folder / "one").read_text(),
}


@pytest.mark.parametrize("lister", LISTERS)
def test_a_file_more_or_less_in_a_listed_folder_shows(lister: str, folder: Path) -> None:
    with reads.noted() as seen:
        LISTERS[lister](folder)
    assert still(seen)
    (folder / "three").write_text("")
    assert not still(seen)
    (folder / "three").unlink()
    (folder / "two").rename(folder / "zwei")
    assert not still(seen)


def test_a_folder_in_the_place_of_a_file_shows(folder: Path) -> None:
    with reads.noted() as seen:
        list(folder.iterdir())
    (folder / "one").unlink()
    (folder / "one").mkdir()
    assert not still(seen)


def test_what_was_looked_for_in_vain_shows_when_it_comes(folder: Path) -> None:
    with reads.noted() as seen:
        reads.note(folder / "absent")
        with pytest.raises(FileNotFoundError):
            (folder.parent / "nowhere" / "file").read_text()
    assert still(seen) and seen.files[str(folder / "absent")] is None
    (folder / "absent").touch()
    assert not still(seen)
    (folder / "absent").unlink()
    (folder.parent / "nowhere").mkdir()
    (folder.parent / "nowhere" / "file").touch()
    assert not still(seen)


def test_a_policy_that_comes_shows(folder: Path) -> None:
    with reads.noted() as seen:
        assert trust.default_policy(Project(root=folder, folder=folder)) is None
    (folder / "edgec.toml").touch()
    assert not still(seen)


def test_a_link_that_leads_elsewhere_shows(folder: Path) -> None:
    (folder / "link").symlink_to("one")
    with reads.noted() as seen:
        (folder / "link").read_text()
    (folder / "link").unlink()
    (folder / "link").symlink_to("two")
    assert not still(seen)


def test_a_link_within_a_path_that_leads_elsewhere_shows(folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "one").write_text("else")
    (folder.parent / "way").symlink_to("read")
    with reads.noted() as seen:
        (folder.parent / "way" / "one").read_text()
        (folder.parent / "way" / ".." / "read" / "two").read_text()
    assert still(seen) and "/way/../read/two" in "".join(seen.files)
    (folder.parent / "way").unlink()
    (folder.parent / "way").symlink_to("other")
    assert not still(seen)


def test_a_link_in_a_listed_folder_that_comes_alive_shows(folder: Path) -> None:
    (folder / "link").symlink_to("../later")
    with reads.noted() as seen:
        list(folder.iterdir())
    assert still(seen)
    (folder.parent / "later").touch()
    assert not still(seen)


def test_a_pipe_makes_the_reads_unsure(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    writer = threading.Thread(target=(folder / "pipe").write_text, args=("once",))
    writer.start()
    with reads.noted() as seen:
        assert (folder / "pipe").read_text() == "once"
    writer.join()
    assert seen.elsewhere


def test_what_an_input_follows_a_link_for_is_unsure(folder: Path) -> None:
    (folder / "link").symlink_to("one")
    project = Project(root=folder.resolve(), folder=folder.resolve())
    with reads.noted() as seen:
        project.resolve("one")
        project.resolve("../read/two")
    assert not seen.elsewhere
    with reads.noted() as seen:
        project.resolve("link")
    assert seen.elsewhere == "a symbolic link"


def test_a_folder_known_by_its_descriptor_makes_the_reads_unsure(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    with reads.noted() as seen:
        os.listdir(place)  # noqa: PTH208
    os.close(place)
    assert seen.elsewhere


def test_a_file_that_cannot_be_read_any_more_is_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reads.noted() as seen:
        (folder / "one").read_text()

    def refused(path: str) -> str:
        raise PermissionError(path)

    monkeypatch.setattr(reads, "_sha256", refused)
    monkeypatch.setattr(reads, "mark", lambda path: None)
    assert not still(seen)


def test_other_threads_are_seen_and_what_comes_after_is_not(folder: Path) -> None:
    with reads.noted() as seen:
        thread = threading.Thread(target=(folder / "one").read_text)
        thread.start()
        thread.join()
    (folder / "two").read_text()
    assert [path for path in seen.files if path.startswith(str(folder))] == [str(folder / "one")]


def test_skipped_folders_are_left_out_and_their_neighbours_are_not(folder: Path) -> None:
    (folder / "skip").mkdir()
    (folder / "skip" / "file").touch()
    (folder / "skipped").touch()
    with reads.noted(str(folder / "skip")) as seen:
        (folder / "skip" / "file").read_text()
        list((folder / "skip").iterdir())
        (folder / "skipped").read_text()
    assert str(folder / "skipped") in seen.files
    assert not [path for path in (*seen.files, *seen.folders) if path.startswith(str(folder / "skip") + "/")]
    assert str(folder / "skip") not in seen.folders


def test_another_program_makes_the_reads_unsure(folder: Path) -> None:
    with reads.noted() as seen:
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert seen.elsewhere == "subprocess.Popen"


def test_what_cannot_be_noted_makes_the_reads_unsure_and_fails_no_reader(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("no look")

    monkeypatch.setattr(reads, "_opened", broken)
    with reads.noted() as seen:
        assert (folder / "one").read_text() == "one"
    assert "no look" in seen.elsewhere


def test_of_two_looks_the_first_counts(folder: Path) -> None:
    with reads.noted() as first:
        (folder / "one").read_text()
    (folder / "one").write_text("another")
    with reads.noted() as second:
        (folder / "one").read_text()
    assert still(second) and not still(first | second)


def test_a_compiler_that_comes_earlier_on_the_path_and_one_that_is_turned_elsewhere_show(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "late").mkdir()
    (folder / "late" / "x86_64-linux-gnu-g++").symlink_to("../one")
    (folder / "one").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{folder / 'late'}")
    with reads.noted() as seen:
        assert toolchain.compiler("x86_64")[0] == str(folder / "late" / "x86_64-linux-gnu-g++")
    before = identity._compiler("x86_64")
    assert still(seen)
    (folder / "late" / "x86_64-linux-gnu-g++").unlink()
    (folder / "late" / "x86_64-linux-gnu-g++").symlink_to("../two")
    (folder / "two").chmod(0o755)
    assert identity._compiler("x86_64") != before and not still(seen)
    with reads.noted() as seen:
        toolchain.compiler("x86_64")
    (folder / "x86_64-linux-gnu-g++").write_text("")
    assert not still(seen)


def test_a_picture_that_was_only_looked_for_shows_when_it_goes(folder: Path) -> None:
    pictures = [Picture(position=0, id=1, file="deep/1.png", width=1, height=1)]
    (folder / "deep").mkdir()
    (folder / "deep" / "1.png").touch()
    with reads.noted() as seen:
        assert not list(coco._unusable(pictures, folder, "a.json", Project(root=folder.resolve(), folder=folder.resolve())))
    assert still(seen)
    (folder / "deep" / "1.png").unlink()
    assert not still(seen)


def test_a_folder_that_holds_a_link_in_a_circle_is_listed_all_the_same(folder: Path) -> None:
    (folder / "circle").symlink_to("circle")
    with reads.noted() as seen:
        assert sorted(path.name for path in folder.iterdir()) == ["circle", "one", "two"]
    assert still(seen)
    (folder / "more").write_text("")
    assert not still(seen)


def test_a_link_that_leads_nowhere_shows_where_nothing_was(folder: Path) -> None:
    with reads.noted() as seen:
        reads.note(folder / "none")
    (folder / "none").symlink_to("gone")
    assert not still(seen)
    with reads.noted() as seen:
        reads.note(folder / "none")
    assert still(seen)
    (folder / "gone").write_text("come")
    assert not still(seen)


def test_what_is_read_alone_says_nothing_of_its_neighbours(folder: Path) -> None:
    with reads.noted() as seen, reads.alone():
        (folder / "one").read_text()
    (folder / "three").write_text("new")
    assert still(seen) and list(seen.files) == [str(folder / "one")]
    (folder / "one").write_text("another")
    assert not still(seen)
