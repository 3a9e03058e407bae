"""Tarballs: the same bytes every time, and nothing unsafe comes out of one."""

from __future__ import annotations

import gzip
import hashlib
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
from edgec.store import archive, members


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


def header(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    """An extended header, as a foreign writer may make it."""
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, len(content) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def record(key: str, value: str) -> bytes:
    """A record of a pax header, which begins with its own length."""
    rest = f" {key}={value}\n".encode()
    length = next(n for n in range(len(rest), len(rest) + 20) if len(str(n)) + len(rest) == n)
    return f"{length}".encode() + rest


def packed(path: Path, *headers: bytes, padding: int = 1024) -> Path:
    """A tarball of these headers, an entry top/a of one byte, and so much behind it."""
    entry = member("top/a")[0].tobuf() + b"x".ljust(tarfile.BLOCKSIZE, b"\0")
    path.write_bytes(gzip.compress(b"".join(headers) + entry + bytes(padding)))
    return path


LONG = "x" * (members.LARGEST_HEADER + 1)
PAX = tarfile.XHDTYPE


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ([header(PAX, record("comment", LONG))], "header is longer than"),
        ([header(tarfile.XGLTYPE, record("comment", LONG))], "header is longer than"),
        ([header(tarfile.GNUTYPE_LONGNAME, b"top/" + LONG.encode())], "header is longer than"),
        ([header(tarfile.GNUTYPE_LONGLINK, LONG.encode())], "header is longer than"),
        ([header(PAX, b"", size=-1)], "header is longer than"),
        ([header(PAX, record("path", "top/" + "x" * 5000))], "a path of 5,004 bytes"),
        ([header(PAX, b"1" * 40_000)], "header is damaged"),
        ([header(PAX, b"2 " * 2000 + b"=")], "header is damaged"),
        ([header(PAX, b"99 path=top/b\n")], "header is damaged"),
        ([header(PAX, record("size", "1" * 30))], "is no number"),
        ([header(PAX, record("size", "²"))], "is no number"),
        ([header(PAX, record("GNU.sparse.map", "0,1"))], "sparse file"),
        ([header(tarfile.GNUTYPE_SPARSE, b"")], "sparse file"),
        ([header(PAX, record("comment", "y"))] * 2000, "recursion"),
        ([header(PAX, record("comment", "y")) + bytes(1024)], "nothing follows"),
    ],
)
def test_extended_headers_are_bounded(headers: list[bytes], why: str, tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        archive.digests(packed(tmp_path / "evil.tar.gz", *headers))
    assert why in str(caught.value) and [found.code for found in caught.value.diagnostics] == ["bundle-broken"]


def test_what_follows_the_last_entry_is_bounded(tmp_path: Path) -> None:
    assert list(archive.digests(packed(tmp_path / "tarball", padding=archive.MOST_PADDING))) == ["top/a"]
    with pytest.raises(Failure, match="follow its last entry"):
        archive.digests(packed(tmp_path / "tarball", padding=2 * archive.MOST_PADDING))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_of_other_writers_are_read(form: int, tmp_path: Path) -> None:
    names = ["top/" + "d" * 90 + "/" + "n" * 200, "top/ä" + "ö" * 60, "top/short"]
    with tarfile.open(tmp_path / "tarball", "w:gz", format=form, pax_headers={"comment": "of the whole"}) as made:
        for name in names:
            made.addfile(member(name)[0], io.BytesIO(b"x"))
    assert list(archive.digests(tmp_path / "tarball")) == names


def test_a_pax_header_may_say_the_size(tmp_path: Path) -> None:
    info = member("top/big")[0]
    info.size = 0
    entry = header(PAX, record("size", "3")) + info.tobuf() + b"big".ljust(tarfile.BLOCKSIZE, b"\0")
    found = archive.digests(packed(tmp_path / "tarball", entry))
    assert found == {"top/big": hashlib.sha256(b"big").hexdigest(), "top/a": hashlib.sha256(b"x").hexdigest()}
