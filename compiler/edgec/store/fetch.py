"""A file from an https URL into the cache: whole, of the right sha256, or not at all."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

from edgec.diagnostics import Diagnostic, Failure
from edgec.store.cache import used
from edgec.store.faults import whole_number
from edgec.store.files import sha256_of
from edgec.store.network import unfit

LIMIT = 8 * 1024**3
"""Largest file that is fetched unless a caller says otherwise, in bytes."""
ATTEMPTS = 4
FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each later pause is twice as long."""
TIMEOUT = 30.0
"""Seconds without a byte before a connection counts as dead."""
REDIRECTS = 5
BLOCK = 1 << 20
NAME = re.compile(r"[A-Za-z0-9._+-]{1,200}")
HEADERS = {"User-Agent": "edgec", "Accept-Encoding": "identity"}


class _TemporaryError(Exception):
    """A fault that may be gone at the next attempt."""


def fetch(url: str, sha256: str, folder: Path, *, limit: int = LIMIT, offline: bool = False) -> Path:
    """Return the path of the fetched file below ``folder``; a file fetched before is hashed again and used.

    ``sha256`` is the file's digest or the beginning of it (8 hex digits at least). Certificates are the system's or
    those of ``SSL_CERT_FILE``; a proxy is taken from ``HTTPS_PROXY``. Raises Failure ``offline``, ``digest-mismatch``
    or ``download-failed``: not https, a redirect away from https or from a public into a private network, no answer, an
    answer that is not 200, a body that is short or over ``limit`` bytes.
    """
    place = folder / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:16]
    _check_url(url, None)
    path = place / _name(url)
    if path.is_file() and _matches(path, sha256):
        used(place)
        return path
    if offline:
        message = f"{url} is not in the cache, and --offline forbids fetching it"
        raise Failure(
            Diagnostic(code="offline", message=message, hint=f"run once without --offline; the cache is {folder}")
        )
    temporary, handle = _staging(place)
    try:
        with handle:
            _retried(url, handle, limit)
            _write(handle, b"")
        if not _matches(temporary, sha256):
            message = f"{url} gave a file with sha256 {sha256_of(temporary)}, not {sha256}"
            raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="the file was not kept"))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _name(url: str) -> str:
    """Return the last part of the URL's path where it is a usual file name: it stays below its folder, whatever a URL says."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return name if NAME.fullmatch(name) and name != ".." else "file"


def _matches(path: Path, sha256: str) -> bool:
    return len(sha256) >= 8 and sha256_of(path).startswith(sha256)


def _staging(place: Path) -> tuple[Path, IO[bytes]]:
    try:
        place.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".fetching-", dir=place)
    except OSError as error:
        raise _unwritten(place, error) from None
    return Path(name), os.fdopen(descriptor, "wb", buffering=0)


def _write(handle: IO[bytes], block: bytes) -> None:
    """Write ``block``, or with an empty one see to it that all that was written is on the disk."""
    try:
        rest = memoryview(block)
        while rest:
            rest = rest[handle.write(rest) :]
        if not block:
            os.fsync(handle.fileno())
    except OSError as error:
        raise _unwritten(Path(handle.name), error) from None


def _unwritten(path: Path, error: OSError) -> Failure:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    message = f"cannot write {path}: {error.strerror}"
    return Failure(Diagnostic(code="disk-full" if full else "not-writable", message=message))


def _retried(url: str, handle: IO[bytes], limit: int) -> None:
    pause = FIRST_PAUSE
    for attempt in range(1, ATTEMPTS + 1):
        if attempt > 1:
            handle.seek(0)
            handle.truncate()
        try:
            return _download(url, handle, limit)
        except _TemporaryError as fault:
            if attempt == ATTEMPTS:
                raise _failed(url, f"{fault} ({ATTEMPTS} attempts)") from None
        time.sleep(pause)
        pause *= 2
    return None


def _download(url: str, handle: IO[bytes], limit: int) -> None:
    """Follow redirects by hand, each one checked, and copy the body of the answer that is 200."""
    current = url
    for _ in range(REDIRECTS + 1):
        try:
            with _opener().open(urllib.request.Request(current, headers=HEADERS), timeout=TIMEOUT) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    current = _following(url, current, answer.headers.get("Location", ""))
                    continue
                return _copy(url, answer, handle, limit)
        except urllib.error.URLError as error:
            raise _fault(url, error.reason if isinstance(error.reason, BaseException) else error) from None
        except (OSError, http.client.HTTPException) as error:
            raise _fault(url, error) from None
    raise _failed(url, f"more than {REDIRECTS} redirects")


def _opener() -> urllib.request.OpenerDirector:
    """An opener that knows https and nothing else: no file:, ftp: or http:, and it does not follow redirects itself."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.HTTPSHandler())
    return opener


def _copy(url: str, answer: http.client.HTTPResponse, handle: IO[bytes], limit: int) -> None:
    if answer.status >= 500 or answer.status == 429:
        raise _TemporaryError(f"the server answered {answer.status}")
    if answer.status != 200:
        raise _failed(url, f"the server answered {answer.status}")
    declared = answer.headers.get("Content-Length")
    expected = whole_number(declared or "")
    if expected is not None and expected > limit:
        raise _failed(url, f"the file has {expected} bytes, over the limit of {limit}")
    received = 0
    while block := answer.read(BLOCK):
        received += len(block)
        if received > limit:
            raise _failed(url, f"the file has more than {limit} bytes, the limit")
        _write(handle, block)
    if expected is not None and received != expected:
        raise _TemporaryError(f"the connection ended after {received} of {expected} bytes")


def _following(url: str, current: str, place: str) -> str:
    """Return the URL that ``current`` redirects to. Raises Failure for one that may not be asked."""
    try:
        following = urljoin(current, place)
    except ValueError as error:
        raise _failed(url, f"it redirects to {place!r}, which is no URL: {error}") from None
    _check_url(following, current)
    return following


def _check_url(url: str, origin: str | None) -> None:
    """Raise Failure unless ``url`` is https and, as a redirect from a public ``origin``, not in a private network."""
    if why := unfit(url, origin):
        raise _failed(origin or url, f"{'it redirects to' if origin else 'the URL is'} {why}")


def _fault(url: str, error: BaseException) -> Exception:
    """A certificate that does not verify will not mend by asking again; all else may."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _failed(url, f"the server's certificate does not verify: {error.verify_message}")
    return _TemporaryError(str(error) or type(error).__name__)


def _failed(url: str, why: str) -> Failure:
    return Failure(Diagnostic(code="download-failed", message=f"{url} could not be fetched: {why}"))
