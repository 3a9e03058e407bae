"""`oci://host[:port]/repository[:tag][@sha256:…]`, read and written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from edgec.diagnostics import Diagnostic, Failure

SCHEME = "oci://"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = re.compile(rf"({LABEL}(?:\.{LABEL})*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{{1,5}}))?")
PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"{PART}(?:/{PART})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
"""The grammars of the OCI distribution specification 1.1; sha256 is the one digest that edgec takes."""
LONGEST = 255
"""Characters of host and repository together; the specification says that many clients take no more."""
TAGS = "a tag has letters, digits, '.', '_' and '-', 128 at most, and begins with no '.' or '-'"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A repository of a registry, and the tag or digest of something in it; with both, the digest is what counts."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{SCHEME}{self.host}/{self.repository}{tag}{digest}"

    @property
    def name(self) -> str | None:
        """What the registry is asked for: the digest where there is one, else the tag."""
        return self.digest or self.tag

    def at(self, name: str) -> Reference:
        """Return the reference to another tag or digest of the same repository."""
        of_digest = DIGEST.fullmatch(name) is not None
        return replace(self, tag=None if of_digest else name, digest=name if of_digest else None)


def is_reference(text: str) -> bool:
    """Return whether ``text`` is meant as a reference to a registry, rightly written or not."""
    return text.lower().startswith(SCHEME)


def reference(text: str) -> Reference:
    """Return the Reference that ``text`` writes. Raises Failure ``reference-invalid``, which names the wrong part."""
    if not is_reference(text):
        raise _invalid(text, f"it does not begin with {SCHEME}", f"did you mean {SCHEME}{text.partition('://')[2] or text}?")
    rest, at, digest = text[len(SCHEME) :].partition("@")
    host, _, path = rest.partition("/")
    repository, colon, tag = path.partition(":")
    if not _is_host(host):
        raise _invalid(text, f"{host!r} is not a host, or host:port")
    if not REPOSITORY.fullmatch(repository):
        lower = repository.lower() if REPOSITORY.fullmatch(repository.lower()) else None
        hint = f"repositories are lower case: {lower}" if lower else "a repository is lower case, such as team/camera"
        raise _invalid(text, f"{repository!r} is not a repository", hint)
    if len(name := f"{host}/{repository}") > LONGEST:
        raise _invalid(text, f"host and repository have {len(name)} characters", f"they have {LONGEST} at most, '/' included")
    if colon and not TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is not a tag", TAGS)
    if at and not DIGEST.fullmatch(digest):
        raise _invalid(text, f"{digest!r} is not a digest", "a digest is sha256: and 64 lower-case hexadecimal digits")
    return Reference(host=host, repository=repository, tag=tag or None, digest=digest or None)


def version_tag(version: str) -> str:
    """Return the tag of a SemVer version: tags have no ``+``, which becomes ``_`` as Helm has it.

    Raises Failure ``reference-invalid`` for a version that is longer than a tag may be.
    """
    tag = version.replace("+", "_")
    if not TAG.fullmatch(tag):
        message = f"the version {version!r} ({len(version)} characters) makes no tag"
        hint = f"{TAGS}: name one, as in oci://host/repository:tag"
        raise Failure(Diagnostic(code="reference-invalid", message=message, hint=hint))
    return tag


def _is_host(text: str) -> bool:
    """Whether ``text`` is a name, an IPv4 address or an IPv6 address in brackets, and the port after it is one."""
    found = HOST.fullmatch(text)
    if not found or not 0 < int(found[2] or 1) < 1 << 16:
        return False
    if not text.startswith("["):
        return True
    import ipaddress

    try:
        ipaddress.IPv6Address(found[1][1:-1])
    except ValueError:
        return False
    return True


def _invalid(text: str, why: str, hint: str | None = None) -> Failure:
    message = f"{text!r} names nothing in a registry: {why}"
    return Failure(Diagnostic(code="reference-invalid", message=message, hint=hint or "write oci://host/repository:tag"))
