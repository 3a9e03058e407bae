"""Tarballs: the same bytes every time, and nothing unsafe comes out of one."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import pytest

from edgec.diagnostics import Failure
from edgec.store import archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bundle"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "run").write_bytes(b"#!")
    (made / "bin" / "run").chmod(0o755)
    (made / "ä").write_bytes(b"text" * 1000)
    return made


def test_equal_trees_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, "top", tmp_path / "one.tar.gz")
    os.utime(folder / "bin" / "run", (1, 1))
    (folder / "ä").chmod(0o600)
    (folder / "bin").chmod(0o700)
    archive.pack(folder, "top", tmp_path / "another name.tar.gz")
    packed = (tmp_path / "one.tar.gz").read_bytes()
    assert packed == (tmp_path / "another name.tar.gz").read_bytes()
    assert packed[3] == 0, "no file name in gzip's header"
    assert packed[4:8] == bytes(4), "no time in gzip's header"


def test_members_are_sorted_and_name_nobody(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, "top", tmp_path / "one.tar.gz")
    with tarfile.open(tmp_path / "one.tar.gz") as packed:
        members = packed.getmembers()
    assert [(member.name, member.mode) for member in members] == [("top/bin/run", 0o755), ("top/ä", 0o644)]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}


def test_what_was_packed_comes_out_again(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, "top", tmp_path / "one.tar.gz")
    (tmp_path / "out").mkdir()
    top = archive.unpack(tmp_path / "one.tar.gz", tmp_path / "out")
    assert top == tmp_path / "out" / "top"
    assert (top / "ä").read_bytes() == b"text" * 1000
    assert os.access(top / "bin" / "run", os.X_OK)
    assert not os.access(top / "ä", os.X_OK)


def test_large_files_are_gzip_members_of_their_own_for_every_reader(folder: Path, tmp_path: Path) -> None:
    large = {"a": b"a" * archive.LARGE, "b": os.urandom(archive.LARGE + 1), "c/small": b"c" * (archive.LARGE - 1)}
    for name, content in large.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    archive.pack(folder, "top", tmp_path / "one.tar.gz")
    apart = io.BytesIO()
    archive.compress(folder / "b", apart)
    packed = (tmp_path / "one.tar.gz").read_bytes()
    assert apart.getvalue() in packed, "its bytes are those of the file alone, whatever its name in the tarball"
    with tarfile.open(tmp_path / "one.tar.gz") as found:
        read = {member.name: cast(IO[bytes], found.extractfile(member)).read() for member in found}
    assert read == {f"top/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for command in (["tar"], ["busybox", "tar"]):
        if shutil.which(command[0]):
            out = tmp_path / command[0]
            out.mkdir()
            subprocess.run([*command, "-xzf", str(tmp_path / "one.tar.gz"), "-C", str(out)], check=True)
            assert (out / "top" / "b").read_bytes() == large["b"]


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"x"
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
    return info, content


def tarball(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for info, content in members:
            packed.addfile(info, io.BytesIO(content) if info.size else None)
    return path


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "traversal": lambda path: tarball(path, member("top/../../escaped")),
    "absolute": lambda path: tarball(path, member("/tmp/edgec-escaped")),
    "symbolic link": lambda path: tarball(path, member("top/link", tarfile.SYMTYPE, "/etc/passwd")),
    "write through a link": lambda path: tarball(path, member("top/l", tarfile.SYMTYPE, ".."), member("top/l/escaped")),
    "hard link": lambda path: tarball(path, member("top/a"), member("top/b", tarfile.LNKTYPE, "top/a")),
    "device": lambda path: tarball(path, member("top/null", tarfile.CHRTYPE)),
    "fifo": lambda path: tarball(path, member("top/pipe", tarfile.FIFOTYPE)),
    "a name twice": lambda path: tarball(path, member("top/a"), member("top/a")),
    "a file that is a folder": lambda path: tarball(path, member("top/a"), member("top/a/b")),
    "two top folders": lambda path: tarball(path, member("one/a"), member("two/a")),
    "no top folder": lambda path: tarball(path, member("file")),
    "nothing": lambda path: tarball(path),
    "not gzip": lambda path: path.write_bytes(b"plainly not") and path,
    "gzip of noise": lambda path: path.write_bytes(gzip.compress(b"\xff" * 2000)) and path,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_tarball_is_refused(case: str, tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    path = HOSTILE[case](tmp_path / "evil.tar.gz")
    with pytest.raises(Failure) as caught:
        archive.unpack(path, place)
    assert caught.value.exit_code == 7
    assert not list(tmp_path.rglob("escaped"))
    assert not Path("/tmp/edgec-escaped").exists()


def test_a_tarball_cut_short_is_refused_at_every_length(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, "top", tmp_path / "whole.tar.gz")
    whole = (tmp_path / "whole.tar.gz").read_bytes()
    for length in range(0, len(whole) - 8, 7):
        (tmp_path / "cut.tar.gz").write_bytes(whole[:length])
        with pytest.raises(Failure):
            archive.digests(tmp_path / "cut.tar.gz")
