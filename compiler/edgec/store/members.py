"""Entries of a tarball that nobody vouches for: tarfile's, but with extended headers that are bounded and read in one pass."""

from __future__ import annotations

import re
import tarfile

LARGEST_HEADER = 1 << 20
"""Bytes of an extended header; one is a name and a few attributes."""
LONGEST_NAME = 4096
"""Bytes of a path; Linux opens no longer one (PATH_MAX)."""
PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
EXTENDED = (*PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
NUMBER = re.compile(rb"[0-9]{1,18}")


class Member(tarfile.TarInfo):
    """An entry of a tarball. Raises tarfile.ReadError and UnicodeError while it is read, and RecursionError of endless headers.

    tarfile takes a header of any length into memory, and before Python 3.11.10 and 3.12.6 in quadratic time (CVE-2024-6232).
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Return the entry that this header begins; tarfile names this the method to override."""
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{self.name!r} is a sparse file")
        if self.type not in EXTENDED:
            return super()._proc_member(archive)  # type: ignore[misc, no-any-return]
        if not 0 <= self.size <= LARGEST_HEADER:
            raise tarfile.ReadError(f"an extended header is longer than {LARGEST_HEADER:,} bytes")
        assert archive.fileobj is not None, "it is open"
        content = archive.fileobj.read(self._block(self.size))[: self.size]  # type: ignore[attr-defined]
        try:
            following = self.fromtarfile(archive)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"nothing follows an extended header: {error}") from None
        if self.type in PAX:
            _apply(records(content), following, archive)
        elif self.type == tarfile.GNUTYPE_LONGNAME:
            following.name = _path(content.partition(b"\0")[0])
        return following


def records(content: bytes) -> dict[bytes, bytes]:
    """Return what a pax header says, "LENGTH KEY=VALUE\\n" a record (POSIX.1-2008, pax). Raises tarfile.ReadError."""
    found: dict[bytes, bytes] = {}
    begin = 0
    while begin < len(content):
        digits = content[begin : begin + 20].partition(b" ")[0]
        end = begin + int(digits) if NUMBER.fullmatch(digits) else begin
        key, equals, value = content[begin + len(digits) + 1 : end].partition(b"=")
        if end > len(content) or not equals or not value.endswith(b"\n"):
            raise tarfile.ReadError("an extended header is damaged")
        found[key] = value[:-1]
        begin = end
    return found


def _apply(said: dict[bytes, bytes], member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
    """Set the name and the size; the other attributes are of no use to a bundle."""
    if any(key.startswith(b"GNU.sparse.") for key in said):
        raise tarfile.ReadError(f"{member.name!r} is a sparse file")
    if b"path" in said:
        member.name = _path(said[b"path"])
    if b"size" in said:
        if not NUMBER.fullmatch(said[b"size"]):
            raise tarfile.ReadError(f"the size of {member.name!r} is no number")
        member.size = int(said[b"size"])
        if member.isreg():
            archive.offset = member.offset_data + member._block(member.size)  # type: ignore[attr-defined]


def _path(name: bytes) -> str:
    if len(name) > LONGEST_NAME:
        raise tarfile.ReadError(f"it names a path of {len(name):,} bytes")
    return name.decode().rstrip("/")
