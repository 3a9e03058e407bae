"""Blobs to a registry: only those that it lacks, in pieces, continued where a cut connection or a killed run left off."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgec.artifacts.oci import Descriptor
from edgec.diagnostics import Failure
from edgec.store.cache import Cache
from edgec.store.faults import Attempts, Fault, refused, whole_number
from edgec.store.oci import has_blob, mismatch
from edgec.store.transport import Answer, Session

CHUNK = 16 * 1024**2
"""Bytes sent at a time; more where the registry asks for it. A blob of no more than that goes in one request."""
LARGEST_CHUNK = 256 * 1024**2
OCTETS = "application/octet-stream"
KIND, FILE = "upload", "place"
"""Where the next piece of an upload under way goes, as the cache keeps it."""
GONE = (400, 404, 409, 416)
"""What registries answer about an upload that they lost, or whose bytes they count differently: it begins anew."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """What the cache remembers of one upload, so that a killed run's is continued by the next."""

    cache: Cache
    key: str

    def read(self) -> str | None:
        """Return where the upload goes, None where no run left it."""
        content = self.cache.peek(KIND, self.key, FILE)
        return content.decode() if content else None

    def write(self, url: str) -> None:
        """Keep ``url``, whole or not at all. Raises Failure ``disk-full`` or ``not-writable``."""
        self.cache.keep(KIND, self.key, FILE, url.encode())

    def forget(self) -> None:
        """Remove it: the upload has ended."""
        self.cache.remove(KIND, self.key)


@dataclass(kw_only=True)
class Upload:
    """One upload under way: where its next piece goes, and how many bytes the registry has."""

    url: str
    offset: int
    chunk: int


def push_bytes(session: Session, wanted: Descriptor, content: bytes) -> bool:
    """Store a small blob where the registry lacks it; return whether it was sent. Raises like ``push_blob``."""
    import io

    return _push(session, wanted, io.BytesIO(content), None)


def push_blob(session: Session, wanted: Descriptor, path: Path, cache: Cache | None = None) -> bool:
    """Store the file at ``path`` as a blob where the registry lacks it; return whether anything was sent.

    ``cache`` remembers an upload of several pieces, so that a killed run's is continued by the next; it is in use meanwhile.
    Raises Failure ``digest-mismatch`` where the file, or what arrived, is not ``wanted``; ``registry-refused``,
    ``registry-unreachable``, ``disk-full``, ``not-writable``; OSError.
    """
    key = hashlib.sha256(f"{session.base} {wanted.digest}".encode()).hexdigest()
    note = Note(cache=cache, key=key) if cache and wanted.size > CHUNK else None
    with path.open("rb") as source, note.cache.lease() if note else contextlib.nullcontext():
        return _push(session, wanted, source, note)


def _push(session: Session, wanted: Descriptor, source: IO[bytes], note: Note | None) -> bool:
    if has_blob(session, wanted):
        return False
    attempts = Attempts(session.reference)
    upload = _remembered(session, note)
    while True:
        try:
            upload = upload or _begun(session)
            _sent(session, upload, wanted, source, note, attempts)
            break
        except Fault as fault:
            attempts.wait(fault)
            if has_blob(session, wanted):
                break
            upload = _state(session, upload) if upload else None
        except _Lost as lost:
            attempts.wait(Fault(str(lost)))
            upload = None
    if note:
        note.forget()
    if not has_blob(session, wanted):
        raise mismatch("a blob that was sent", wanted.digest, "not in the registry")
    return True


class _Lost(Exception):
    """The registry no longer knows an upload, or has other bytes of it than were sent."""


def _begun(session: Session) -> Upload:
    answer = session.ask("POST", "blobs/uploads/", (202,), {"Content-Length": "0"})
    asked = whole_number(answer.headers.get("OCI-Chunk-Min-Length", "")) or 0
    return Upload(url=_location(session, answer), offset=0, chunk=min(max(CHUNK, asked), LARGEST_CHUNK))


def _sent(
    session: Session, upload: Upload, wanted: Descriptor, source: IO[bytes], note: Note | None, attempts: Attempts
) -> None:
    """Send what is missing, piece by piece; the last piece closes the upload, and the registry compares the digest."""
    while wanted.size - upload.offset > upload.chunk:
        piece = _piece(source, upload.offset, upload.chunk, wanted)
        answer = _asked(session, "PATCH", upload.url, piece, upload.offset)
        upload.url, upload.offset = _location(session, answer), upload.offset + len(piece)
        attempts.reached(upload.offset)
        if note:
            note.write(upload.url)
    piece = _piece(source, upload.offset, wanted.size - upload.offset, wanted)
    joint = "&" if "?" in upload.url else "?"
    _asked(session, "PUT", f"{upload.url}{joint}digest={wanted.digest.replace(':', '%3A')}", piece, upload.offset)


def _asked(session: Session, method: str, url: str, piece: bytes, offset: int) -> Answer:
    headers = {"Content-Type": OCTETS, "Content-Length": str(len(piece))}
    if piece and method == "PATCH":
        headers["Content-Range"] = f"{offset}-{offset + len(piece) - 1}"
    answer = session.ask(method, url, (201, 202, 204, *GONE), headers, piece)
    if answer.status in GONE:
        raise _Lost(f"it answered {answer.status} to a piece of an upload")
    return answer


def _piece(source: IO[bytes], offset: int, length: int, wanted: Descriptor) -> bytes:
    source.seek(offset)
    piece = source.read(length)
    if len(piece) != length:
        raise mismatch("a blob to send", f"{wanted.digest} ({wanted.size} bytes)", f"cut to {offset + len(piece)} bytes")
    return piece


def _state(session: Session, upload: Upload) -> Upload | None:
    """Ask how much of an upload arrived; None where it must begin anew. Raises Failure ``registry-refused``."""
    try:
        answer = session.ask("GET", upload.url, (204, *GONE))
    except Fault:
        return None
    arrived = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,18})", answer.headers.get("Range", ""))
    if answer.status != 204 or not arrived or arrived[1] == "0":  # 0-0 is what one byte and none look like
        return None
    return Upload(url=_location(session, answer, upload.url), offset=int(arrived[1]) + 1, chunk=upload.chunk)


def _remembered(session: Session, note: Note | None) -> Upload | None:
    if not note or not (url := note.read()):
        return None
    try:
        return _state(session, Upload(url=url, offset=0, chunk=CHUNK))
    except Failure:
        return None


def _location(session: Session, answer: Answer, otherwise: str = "") -> str:
    place = answer.headers.get("Location", otherwise)
    if not place:
        raise refused(session.reference, "it does not say where an upload goes")
    return session.resolved(place)
