"""Tarballs: packed to the same bytes every time, and unpacked without trusting what is inside."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from edgec.diagnostics import Diagnostic, Failure
from edgec.store.atomic import finish, inside, mode
from edgec.store.members import Member

MOST_MEMBERS = 100_000
MOST_PADDING = 1 << 20
"""Bytes behind the last entry; GNU tar writes up to 10 KiB of zeros there."""
LEVEL = 6
"""gzip's; 9 takes 3.5 times as long for 0.7 % fewer bytes of a bundle (weights and machine code)."""
HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
"""Deflate, no name, no time, an unknown system (RFC 1952)."""
LARGE = 1 << 16
"""Bytes from which a file is compressed apart: the 20 of another gzip member are nothing to it."""


class Known(NamedTuple):
    """A gzip member that was inflated before: the sha256 of its own bytes, and that of what it holds."""

    sha256: str
    content: str


class Piece(NamedTuple):
    """A gzip member of a tarball, from byte ``start`` to ``end``, that is known and holds one file.

    The file has ``size`` bytes, which begin at ``offset`` of the tar.
    """

    start: int
    end: int
    offset: int
    size: int
    known: Known


def compress(path: Path, sink: IO[bytes]) -> None:
    """Write a file as one gzip member without a name or a time in its header. Raises OSError."""
    with path.open("rb") as content:
        _member_of(iter(lambda: content.read(1 << 20), b""), sink)


def _member_of(pieces: Iterable[bytes], sink: IO[bytes]) -> None:
    """Write one gzip member; its header says of no system that it was written there, as zlib's own would."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = length = 0
    sink.write(HEADER)
    for piece in pieces:
        checksum, length = zlib.crc32(piece, checksum), length + len(piece)
        sink.write(packer.compress(piece))
    sink.write(packer.flush() + struct.pack("<LL", checksum, length & 0xFFFFFFFF))


Compress = Callable[[Path, IO[bytes]], "Known | None"]


def pack(folder: Path, top: str, tarball: Path, compress: Compress = compress) -> list[Piece]:
    """Write ``folder`` as a new .tar.gz whose one top folder is ``top``, as ``pack_files`` does."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return pack_files({f"{top}/{name}": folder / name for name in names}, tarball, compress)


def pack_files(files: Mapping[str, Path], tarball: Path, compress: Compress = compress) -> list[Piece]:
    """Write ``files``, by their names in it, as a new .tar.gz; equal names and contents give equal bytes. Raises OSError.

    Sorted paths, PAX, owner 0 without names, time 0, modes 755 and 644, and no file name or time in gzip's header. A file of
    LARGE bytes or more is a gzip member of its own (RFC 1952 2.2), which ``compress`` writes: it may know it from earlier.
    Returned are the members that it knew.
    """
    pieces, at = [], 0
    with tarball.open("xb") as raw:
        small: list[bytes] = []
        for name, path in sorted(files.items()):
            with path.open("rb") as content:
                member = _member(name, content)
                small.append(member.tobuf(tarfile.PAX_FORMAT, "utf-8"))
                at += len(small[-1])
                if member.size < LARGE:
                    small.append(content.read())
                else:
                    _member_of(small, raw)
                    small.clear()
                    start = raw.tell()
                    if known := compress(path, raw):
                        pieces.append(Piece(start, raw.tell(), at, member.size, known))
            small.append(bytes(-member.size % tarfile.BLOCKSIZE))
            at += member.size + len(small[-1])
        small.append(bytes(2 * tarfile.BLOCKSIZE))
        _member_of(small, raw)
        finish(raw)
    return pieces


def _member(name: str, content: IO[bytes]) -> tarfile.TarInfo:
    status = os.fstat(content.fileno())
    member = tarfile.TarInfo(name)
    member.size = status.st_size
    member.mode = mode(executable=bool(status.st_mode & 0o100))
    member.mtime = 0
    return member


def digests(tarball: Path, pieces: Sequence[Piece] = ()) -> dict[str, str]:
    """Return the sha256 of every file in a tarball by member name. Raises OSError, and Failure ``bundle-broken``.

    Of ``pieces`` only the bytes are hashed: what they inflate to is known.
    """
    known = {(piece.offset, piece.size): piece.known.content for piece in pieces}
    with _files(tarball, pieces) as files:
        return {
            name: known.get((member.offset_data, member.size)) or _sha256_of(content) for name, member, content in files
        }


def unpack(tarball: Path, folder: Path) -> Path:
    """Unpack a bundle's tarball into the empty ``folder`` and return its one top folder inside it. Raises like ``extract``."""
    tops = {name.split("/")[0] for name in extract(tarball, folder)}
    if len(tops) != 1 or not (folder / next(iter(tops))).is_dir():
        raise _broken(tarball, "it does not hold one top folder")
    return folder / tops.pop()


def extract(tarball: Path, folder: Path) -> list[str]:
    """Unpack the files of a tarball into ``folder`` and return their names.

    Only plain files are taken: a link, a device, a path that leads out, or a name that is there already is a Failure
    ``bundle-broken``; more bytes than the disk has free is ``disk-full``. Raises OSError.
    """
    names = []
    room = shutil.disk_usage(folder).free
    with _files(tarball) as files:
        for name, member, content in files:
            room -= member.size
            if room < 0:
                raise Failure(Diagnostic(code="disk-full", message=f"{tarball} does not fit on the disk of {folder}"))
            path = inside(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as handle:
                shutil.copyfileobj(content, handle, 1 << 20)
            path.chmod(mode(executable=bool(member.mode & 0o100)))
            names.append(name)
    return names


def content_digest(tarball: Path) -> str:
    """Return the sha256 of the tar inside a .tar.gz, whatever compressed it. Raises OSError."""
    with gzip.open(tarball) as packed:
        return _sha256_of(cast(IO[bytes], packed))


class _Sparse:
    """What a tarball inflates to, with zeros in the place of its pieces, whose own bytes are hashed."""

    def __init__(self, raw: IO[bytes], pieces: Sequence[Piece]) -> None:
        self._chunks, self._left, self._at = self._inflated(raw, pieces), memoryview(b""), 0

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end. Raises gzip.BadGzipFile, EOFError and zlib.error."""
        return b"".join(self._taken(size))

    def seek(self, offset: int) -> None:
        """Go on to ``offset``, which lies before no byte that was read; raises as ``read`` does."""
        for _ in self._taken(offset - self._at):
            pass

    def tell(self) -> int:
        """Return where the next byte to be read lies."""
        return self._at

    def _taken(self, size: int) -> Iterator[memoryview]:
        while size > 0:
            if not self._left:
                self._left = memoryview(next(self._chunks, b""))
            if not (found := self._left[:size]):
                return
            self._left, self._at, size = self._left[len(found) :], self._at + len(found), size - len(found)
            yield found

    def _inflated(self, raw: IO[bytes], pieces: Sequence[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            yield gzip.decompress(raw.read(piece.start - raw.tell()))
            if hashlib.sha256(raw.read(piece.end - piece.start)).hexdigest() != piece.known.sha256:
                raise gzip.BadGzipFile("a member is not the one that was packed")
            yield bytes(piece.size)
        yield gzip.decompress(raw.read())


@contextlib.contextmanager
def _files(
    tarball: Path, pieces: Sequence[Piece] = ()
) -> Iterator[Iterator[tuple[str, tarfile.TarInfo, IO[bytes]]]]:
    """Open a tarball and give its plain files one after the other; anything else in it, or a lot behind it, is a Failure."""
    try:
        with contextlib.ExitStack() as stack:
            packed: Any
            if pieces:
                packed = _Sparse(stack.enter_context(tarball.open("rb")), pieces)
            else:
                packed = stack.enter_context(gzip.open(tarball))
            archive = stack.enter_context(tarfile.open(fileobj=packed, mode="r:", tarinfo=Member))
            yield _plain(tarball, archive)
            if len(packed.read(MOST_PADDING + 1)) > MOST_PADDING:  # to the end, where gzip's checksum of the whole is
                raise _broken(tarball, f"more than {MOST_PADDING:,} bytes follow its last entry")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, ValueError, RecursionError) as error:
        raise _broken(tarball, f"it is damaged: {error}") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _broken(tarball, f"it names {error.filename!r} in two ways") from error


def _plain(tarball: Path, archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes]]]:
    for count, member in enumerate(archive):
        if count >= MOST_MEMBERS:
            raise _broken(tarball, f"it has more than {MOST_MEMBERS:,} entries")
        if member.isdir():
            continue
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            raise _broken(tarball, f"{member.name!r} is a link or a device, not a plain file")
        try:
            inside(Path(), member.name)
        except ValueError as error:
            raise _broken(tarball, str(error)) from error
        yield member.name, member, content


def _sha256_of(handle: IO[bytes]) -> str:
    """Return the sha256 of the rest of an open file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    while piece := handle.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def _broken(tarball: Path, why: str) -> Failure:
    return Failure(Diagnostic(code="bundle-broken", message=f"{tarball} is not a bundle's tarball: {why}"))
