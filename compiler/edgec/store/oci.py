"""Manifests and blobs of one repository, read and written by tag and digest; nothing is taken or given unverified."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from edgec.artifacts.document import Json
from edgec.artifacts.oci import EMPTY, INDEX, MANIFEST, Descriptor, describe, digest_of
from edgec.artifacts.reference import DIGEST
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.faults import connection, refused, retried
from edgec.store.transport import LARGEST_ANSWER, Session

DOCKER = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = ", ".join((INDEX, MANIFEST, *DOCKER))
NAMED = "Docker-Content-Digest"
NO_CONFIG = describe(b"{}", EMPTY)
MOST_TAGS = 10_000
MOST_PAGES = 100
"""Requests for a list of tags; a registry sends 50 and more tags a page."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A manifest or index as the registry keeps it: its very bytes, what kind they are, and their digest."""

    content: bytes
    media_type: str
    digest: str

    def record(self) -> dict[str, Json]:
        """Return the JSON object. Raises Failure ``bundle-broken`` where it is none."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Failure(Diagnostic(code="bundle-broken", message=f"the manifest {self.digest} is not a JSON object"))
        return found


def manifest(session: Session, name: str) -> Stored | None:
    """Return the manifest or index with this tag or digest, None where there is none.

    Its bytes are hashed, and compared with the digest in ``name`` or the one that the registry states. Raises Failure
    ``digest-mismatch``, ``registry-refused`` or ``registry-unreachable``.
    """
    answer = retried(session.reference, lambda: session.ask("GET", f"manifests/{name}", (200, 404), {"Accept": ACCEPT}))
    if answer.status == 404:
        return None
    digest = digest_of(answer.body)
    stated = name if DIGEST.fullmatch(name) else answer.headers.get(NAMED, digest)
    if stated.startswith("sha256:") and stated != digest:
        raise mismatch(f"the manifest {name}", stated, digest)
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return Stored(content=answer.body, media_type=kind, digest=digest)


def put_manifest(session: Session, content: bytes, media_type: str, tag: str | None = None) -> Descriptor:
    """Store a manifest or index under ``tag``, or under its digest alone, read it back, and return its Descriptor.

    What it names must be there already. Raises Failure as ``manifest`` does: ``digest-mismatch`` also where the tag
    holds something else by now, because another pusher set it.
    """
    found = describe(content, media_type)
    name = tag or found.digest
    send_manifest(session, content, media_type, name)
    stored = manifest(session, name)
    if stored is None or stored.content != content:
        raise mismatch(f"{session.reference.at(name)}, read back,", found.digest, stored.digest if stored else "nothing")
    return found


def send_manifest(session: Session, content: bytes, media_type: str, name: str) -> None:
    """Store a manifest or index under a tag or its digest; the caller reads back. Raises Failure as ``manifest`` does."""
    url = f"manifests/{name}"
    retried(session.reference, lambda: session.ask("PUT", url, (200, 201, 202), {"Content-Type": media_type}, content))


def has_blob(session: Session, wanted: Descriptor) -> bool:
    """Return whether the registry holds the blob, by its digest and size. Raises Failure as ``manifest`` does."""
    answer = retried(session.reference, lambda: session.ask("HEAD", f"blobs/{wanted.digest}", (200, 404)))
    if answer.status == 404:
        return False
    size, stated = answer.headers.get("Content-Length", str(wanted.size)), answer.headers.get(NAMED, wanted.digest)
    if size != str(wanted.size) or (stated.startswith("sha256:") and stated != wanted.digest):
        raise mismatch("a blob", f"{wanted.digest} ({wanted.size} bytes)", f"{stated} ({size} bytes)")
    return True


def blob(session: Session, wanted: Descriptor) -> bytes:
    """Return the content of a small blob, verified. Raises Failure as ``manifest`` does."""
    if wanted.size > LARGEST_ANSWER:
        raise refused(session.reference, f"the blob {wanted.digest} is longer than {LARGEST_ANSWER:,} bytes")

    def read() -> bytes:
        with session.stream("GET", f"blobs/{wanted.digest}", (200,)) as raw, connection(session.reference):
            return raw.read(wanted.size + 1)

    content = retried(session.reference, read)
    if digest_of(content) != wanted.digest:
        raise mismatch("a blob", wanted.digest, digest_of(content))
    return content


def tags(session: Session) -> list[str]:
    """Return the repository's tags, sorted; none where there is no such repository. Raises Failure.

    A list that does not end, or leads back to a page that was read, is cut there.
    """
    found: list[str] = []
    url, seen = "tags/list", set[str]()
    while url and url not in seen and len(seen) < MOST_PAGES and len(found) < MOST_TAGS:
        seen.add(url)
        answer = retried(session.reference, lambda url=url: session.ask("GET", url, (200, 404)))  # type: ignore[misc]
        if answer.status == 404:
            break
        try:
            found += [str(tag) for tag in json.loads(answer.body).get("tags") or []]
        except (ValueError, AttributeError, TypeError, RecursionError):
            raise refused(session.reference, "its list of tags is not JSON") from None
        following = re.match(r'<([^>]+)>;\s*rel="?next', answer.headers.get("Link", ""))
        url = following[1] if following else ""
    return sorted(found)


def mismatch(what: str, expected: str, found: str) -> Failure:
    """Return the Failure ``digest-mismatch``."""
    return Failure(Diagnostic(code="digest-mismatch", message=f"{what} should be {expected} and is {found}"))
