"""A repository's archive, .zip or .tar.gz, unpacked so that nothing of it lands outside the folder that it is meant for."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from edgec.store.weights import refused

LIMIT = 512 << 20
"""Largest size of an archive's content, in bytes; a repository of code is far below."""
FILES = 20_000


def unpack(content: bytes, folder: Path, shown: str) -> Path:
    """Unpack into ``folder`` and return the one folder inside the archive.

    Links, devices, absolute paths and ``..`` are refused, as is more than LIMIT or FILES. Raises Failure
    ``model-not-loaded``.
    """
    try:
        if content[:2] == b"PK":
            _unzip(content, folder)
        else:
            _untar(content, folder)
    except (zipfile.BadZipFile, tarfile.TarError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise refused(f"{shown} cannot be unpacked: {error or type(error).__name__}") from None
    inside = list(folder.iterdir())
    if len(inside) != 1 or not inside[0].is_dir():
        raise refused(f"{shown} does not hold exactly one folder, as an archive of a repository does")
    return inside[0]


def _unzip(content: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        _refuse_too_much([entry.file_size for entry in entries])
        for entry in entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{entry.filename!r} is neither a file nor a folder")
            path = folder / _inside(entry.filename)
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))


def _untar(content: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
        entries = archive.getmembers()
        _refuse_too_much([entry.size for entry in entries])
        for entry in entries:
            path = folder / _inside(entry.name)
            if entry.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            if not entry.isreg():
                raise ValueError(f"{entry.name!r} is neither a file nor a folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = archive.extractfile(entry)
            assert stream is not None  # it is a regular file
            path.write_bytes(stream.read())


def _inside(name: str) -> PurePosixPath:
    """The path of an entry. Raises ValueError where it could lead elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise ValueError(f"{name!r} leads out of the archive")
    return path


def _refuse_too_much(sizes: list[int]) -> None:
    if sum(sizes) > LIMIT or len(sizes) > FILES:
        raise ValueError(f"{len(sizes)} entries of {sum(sizes)} bytes are more than a repository of code has")
