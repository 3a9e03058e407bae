"""One repository's registry over http: verified TLS, the usual authentication, and redirects that are checked."""

from __future__ import annotations

import contextlib
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from edgec.artifacts.reference import Reference
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.challenge import authorization
from edgec.store.credentials import credentials
from edgec.store.faults import Fault, connection, refused, whole_number, words
from edgec.store.network import loopback, unfit

if TYPE_CHECKING:
    import urllib3

    Answered = tuple[urllib3.BaseHTTPResponse, str]
    """An answer whose body is still to be read, and the URL that gave it."""

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Seconds without a byte before a connection counts as dead."""
REDIRECTS = 5
LARGEST_ANSWER = 4 * 1024**2
"""Most bytes of a manifest or a list of tags; the OCI specification has registries take manifests of 4 MiB."""
READS = ("GET", "HEAD")
HEADERS = {"User-Agent": "edgec", "Accept-Encoding": "identity"}
ENDPOINTS = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
NONE: Mapping[str, str] = {}
PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer: its status, its headers (whatever their case), its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Session:
    """Talks to the registry of one repository; what it was let in with is kept for the next request."""

    def __init__(self, reference: Reference, plain_http: bool) -> None:
        self.reference = reference
        self.plain_http = plain_http
        host = ENDPOINTS.get(reference.host, reference.host)
        self.base = f"{'http' if plain_http else 'https'}://{host}/v2/{reference.repository}/"
        self._tls = ssl.create_default_context()  # verifies, by the system's certificates or those of SSL_CERT_FILE
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._authorization: dict[bool, str] = {}

    def close(self) -> None:
        """Close the connections that are open."""
        for pool in self._pools.values():
            pool.clear()

    def ask(
        self, method: str, url: str, ok: tuple[int, ...], headers: Mapping[str, str] = NONE, body: bytes | None = None
    ) -> Answer:
        """Ask once, and return the answer where its status is in ``ok``; ``url`` may be relative to the repository.

        Raises Fault, and Failure ``registry-refused``.
        """
        with self.stream(method, url, ok, headers, body) as raw, connection(self.reference):
            content = raw.read(LARGEST_ANSWER + 1)
            if len(content) > LARGEST_ANSWER:
                raise refused(self.reference, f"an answer is longer than {LARGEST_ANSWER:,} bytes")
            return Answer(status=raw.status, headers=raw.headers, body=content)

    @contextlib.contextmanager
    def stream(
        self, method: str, url: str, ok: tuple[int, ...], headers: Mapping[str, str] = NONE, body: bytes | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the answer while its body is still to be read, inside ``faults.connection``. Raises like ``ask``."""
        raw, answered = self._let_in(method, self.resolved(url), headers, body)
        try:
            if raw.status not in ok:
                raise self._unwelcome(raw, answered)
            yield raw
        finally:
            raw.release_conn() if raw.closed else raw.close()

    def resolved(self, place: str, base: str = "") -> str:
        """Return the URL at ``place``, as an answer has it: relative to ``base`` or the repository. Raises Failure."""
        try:
            url = urljoin(base or self.base, place)
            _origin(url)
        except ValueError as error:
            raise refused(self.reference, f"it leads to {place!r}, which is no URL: {error}") from None
        return url

    def _let_in(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answered:
        """Ask, and where the registry wants to know who asks, say so and ask again.

        Another host that it leads to is not told: it would name where the password goes.
        """
        raw, answered = self._followed(method, url, headers, body)
        if raw.status != 401 or not self._own(answered):
            return raw, answered
        challenges = raw.headers.getlist("WWW-Authenticate")
        raw.close()
        known = credentials(self.reference.host)
        self._authorization[method in READS] = authorization(self.reference, challenges, known, self._token_service)
        return self._followed(method, url, headers, body)

    def _token_service(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        self.resolved(url)
        self._check_url(url)
        raw = self._send(method, url, headers, body)
        with contextlib.closing(raw), connection(self.reference):
            return Answer(status=raw.status, headers=raw.headers, body=raw.read(1 << 20))

    def _followed(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answered:
        """Ask, and follow the redirects of a read; who asks is told to the registry's own host and to no other."""
        if not self._own(url):
            self._check_url(url)
        for _ in range(REDIRECTS + 1):
            known = self._authorization.get(method in READS) if self._own(url) else None
            raw = self._send(method, url, {**headers, **({"Authorization": known} if known else {})}, body)
            if raw.status not in (301, 302, 303, 307, 308) or method not in READS:
                return raw, url
            raw.close()
            url = self.resolved(raw.headers.get("Location", ""), url)
            self._check_url(url)
        raise refused(self.reference, f"it redirects more than {REDIRECTS} times")

    def _own(self, url: str) -> bool:
        return _origin(url) == _origin(self.base)

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> urllib3.BaseHTTPResponse:
        with connection(self.reference):
            return self._pool(url).request(
                method, url, headers={**HEADERS, **headers}, body=body, redirect=False, retries=False, preload_content=False
            )

    def _check_url(self, url: str) -> None:
        """Raise Failure unless ``url`` is as safe to ask as the registry: https, and not newly in a private network."""
        plain = self.plain_http and (self._own(url) or loopback(urlsplit(url).netloc))
        if why := unfit(url, self.base, plain):
            raise refused(self.reference, f"it leads to {why}")

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the connections for ``url``: through a proxy where the environment names one for it."""
        import urllib3

        parts = urlsplit(url)
        proxy = urllib.request.getproxies_environment().get(parts.scheme, "")
        if urllib.request.proxy_bypass(parts.netloc):
            proxy = ""
        if proxy not in self._pools:
            timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
            self._pools[proxy] = (
                urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", ssl_context=self._tls, timeout=timeout)
                if proxy
                else urllib3.PoolManager(ssl_context=self._tls, timeout=timeout)
            )
        return self._pools[proxy]

    def _unwelcome(self, raw: urllib3.BaseHTTPResponse, answered: str) -> Exception:
        own = self._own(answered)
        with connection(self.reference):
            who = "it" if own else f"{urlsplit(answered).hostname}, where it leads,"
            said = f"{who} answered {raw.status}{words(raw.read(1 << 16))}"
        # A blob that another pusher sends at this moment is there for HEAD a little before it is there for a manifest.
        if raw.status >= 500 or raw.status == 429 or "MANIFEST_BLOB_UNKNOWN" in said:
            return Fault(said, float(whole_number(raw.headers.get("Retry-After", "")) or 0))
        return refused(self.reference, said, self._who() if own and raw.status in (401, 403) else None)

    def _who(self) -> str:
        known, host = credentials(self.reference.host), self.reference.host
        if known is None:
            return f"no credentials for {host} are known: docker login {host}"
        return f"the credentials of {known.user or 'the identity token'} do not suffice: docker login {host}"


def connected(reference: Reference, plain_http: bool = False) -> contextlib.closing[Session]:
    """Return a Session for a ``with`` block; nothing is asked yet."""
    return contextlib.closing(Session(reference, plain_http))


def plain_http_allowed(reference: Reference, plain_http: bool, anywhere: bool) -> bool:
    """Return whether to speak plain http. Raises Failure ``reference-invalid`` where that was not said clearly enough."""
    if plain_http and not anywhere and not loopback(reference.host):
        message = f"--plain-http is for this machine; {reference.host} is another"
        hint = "credentials and content would travel unprotected; --insecure-plain-http says that you want that"
        raise Failure(Diagnostic(code="reference-invalid", message=message, hint=hint))
    return plain_http or anywhere


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of ``url``; raises ValueError for one that cannot be read, as with port 99999."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, PORTS.get(parts.scheme) if parts.port is None else parts.port
