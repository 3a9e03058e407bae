"""Downloads against a real https server on loopback, with a certificate authority of its own."""

import errno
import hashlib
import http.server
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from edgec.diagnostics import Diagnostic, Failure
from edgec.store import fetch, network
from edgec.store.cache import Cache
from edgec.store.housekeeping import collect

BODY = bytes(range(256)) * 64
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path names a behaviour; ``server.seen`` lists what was asked for."""

    def do_GET(self) -> None:
        seen = self.server.seen  # type: ignore[attr-defined]
        seen.append(self.path)
        step = self.path.strip("/").partition("/")[0]
        if step.isdigit():
            return self.answer(int(step), b"")
        if step == "flaky":
            return self.answer(503, b"") if seen.count(self.path) < 3 else self.answer(200, BODY)
        if step == "to":
            return self.answer(302, b"", Location=self.path.partition("/to/")[2])
        if step == "short":
            return self.answer(200, BODY[:1000], **{"Content-Length": str(len(BODY))})
        if step == "recovers":
            whole = seen.count(self.path) > 1
            return self.answer(200, BODY if whole else BODY[:1000], **{"Content-Length": str(len(BODY))})
        if step == "unsized":
            return self.answer(200, BODY, **{"Content-Length": ""})
        if step == "lies":
            return self.answer(200, b"", **{"Content-Length": str(10**12)})
        if step == "cut":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return self.connection.close()
        return self.answer(200, BODY)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@dataclass
class Server:
    url: str
    port: int
    seen: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.socket = context.wrap_socket(running.socket, server_side=True)
    running.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client hanging up is what some tests do
    port = running.server_address[1]
    running.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(fetch, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(fetch, "TIMEOUT", 5.0)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield Server(url=f"https://localhost:{port}", port=port, seen=running.seen)  # type: ignore[attr-defined]
    running.shutdown()
    running.server_close()


def refused(url: str, folder: Path, sha256: str = SHA256, **options: int) -> Diagnostic:
    with pytest.raises(Failure) as caught:
        fetch.fetch(url, sha256, folder, **options)  # type: ignore[arg-type]
    assert [path for path in folder.rglob("*") if path.is_file()] == [], "a failed fetch leaves nothing behind"
    (finding,) = caught.value.diagnostics
    return finding


def long_ago(place: Path) -> None:
    """Set times of access and change as an hour ago, of files and folders."""
    for path in (place, *place.rglob("*")):
        os.utime(path, (time.time() - 3600,) * 2)


def test_a_file_is_fetched_once_and_hashed_each_time(server: Server, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = fetch.fetch(f"{server.url}/ok/model-1.pth?x=1", SHA256, cache)
    assert path.name == "model-1.pth" and path.read_bytes() == BODY
    assert fetch.fetch(f"{server.url}/ok/model-1.pth?x=1", SHA256[:8], cache) == path
    assert len(server.seen) == 1
    path.write_bytes(b"damaged")
    assert fetch.fetch(f"{server.url}/ok/model-1.pth?x=1", SHA256, cache).read_bytes() == BODY
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/net-1.0+cu_2.pth", "net-1.0+cu_2.pth"), ("a/n%65t.pth", "net.pth"), ("a/" + "n" * 200, "n" * 200),
        ("a/", "a"), ("", "file"), ("a/%2e%2e", "file"), ("a/..%2f..", "file"), ("a/x%00", "file"), ("a/" + "n" * 201, "file"),
        ("a/%ff", "file"), ("a/a%0ab", "file"), ("%2e%2e%2fx", "x"),
    ],
)  # fmt: skip
def test_the_file_has_the_last_name_of_the_url_where_that_is_a_usual_one(
    server: Server, tmp_path: Path, path: str, name: str
) -> None:
    found = fetch.fetch(f"{server.url}/{path}", SHA256, tmp_path / "cache")
    assert found.name == name and found.read_bytes() == BODY
    assert found.parent.parent == tmp_path / "cache" / "downloads"
    assert fetch.fetch(f"{server.url}/{path}", SHA256, tmp_path / "cache", offline=True) == found


def test_a_download_that_a_build_uses_stays(server: Server, tmp_path: Path) -> None:
    """Reading it notes nothing: most file systems move a time of access once a day."""
    path = fetch.fetch(f"{server.url}/ok/a", SHA256, tmp_path)
    fetch.fetch(f"{server.url}/ok/b", SHA256, tmp_path)
    long_ago(tmp_path)
    cache = Cache(folder=tmp_path)
    with cache.lease():
        assert fetch.fetch(f"{server.url}/ok/a", SHA256, tmp_path, offline=True) == path
        long_ago(path)
        done = collect(cache, 0)
    assert (len(done.removed), done.in_use, path.is_file()) == (1, 1, True)


def test_a_cache_that_can_only_be_read_is_used_all_the_same(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch.fetch(f"{server.url}/ok/a", SHA256, tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "no")

    monkeypatch.setattr(os, "utime", refuse)
    assert fetch.fetch(f"{server.url}/ok/a", SHA256, tmp_path, offline=True) == path


def test_offline_uses_the_cache_and_nothing_else(server: Server, tmp_path: Path) -> None:
    finding = refused(f"{server.url}/ok/a", tmp_path / "cache", offline=True)
    assert (finding.code, finding.exit_code) == ("offline", 8) and server.seen == []
    fetch.fetch(f"{server.url}/ok/a", SHA256, tmp_path / "cache")
    assert fetch.fetch(f"{server.url}/ok/a", SHA256, tmp_path / "cache", offline=True).read_bytes() == BODY


def test_a_wrong_hash_is_refused(server: Server, tmp_path: Path) -> None:
    finding = refused(f"{server.url}/ok/a", tmp_path / "cache", "0" * 64)
    assert (finding.code, finding.exit_code) == ("digest-mismatch", 7) and SHA256 in finding.message
    assert refused(f"{server.url}/ok/a", tmp_path / "cache", SHA256[:7]).code == "digest-mismatch"


def test_redirects_are_followed_on_https(server: Server, tmp_path: Path) -> None:
    assert fetch.fetch(f"{server.url}/to//to//ok/a", SHA256, tmp_path / "cache").read_bytes() == BODY
    assert fetch.fetch(f"{server.url}/to/{server.url}/ok/b", SHA256, tmp_path / "cache").read_bytes() == BODY


@pytest.mark.parametrize("elsewhere", ["file:///etc/hostname", "http://localhost/ok", "ftp://localhost/x", "data:,x"])
def test_redirects_away_from_https_are_refused(server: Server, tmp_path: Path, elsewhere: str) -> None:
    finding = refused(f"{server.url}/to/{elsewhere}", tmp_path / "cache")
    assert (finding.code, finding.exit_code) == ("download-failed", 8) and "not https" in finding.message
    assert len(server.seen) == 1


@pytest.mark.parametrize("elsewhere", ["https://[bad/x", "https://localhost:99999/x"])
def test_a_redirect_to_what_is_no_url_is_refused(server: Server, tmp_path: Path, elsewhere: str) -> None:
    finding = refused(f"{server.url}/to/{elsewhere}", tmp_path / "cache")
    assert (finding.code, finding.exit_code) == ("download-failed", 8) and "no URL" in finding.message
    assert len(server.seen) == 1


def test_redirects_from_a_public_into_a_private_network_are_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = network.private
    monkeypatch.setattr(network, "private", lambda url: "/to/" not in url and asked(url))
    finding = refused(f"{server.url}/to/{server.url}/ok/b", tmp_path / "cache")
    assert "private network" in finding.message and len(server.seen) == 1


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("10.0.0.8", True), ("169.254.169.254", True),
        ("192.168.1.1", True), ("[fe80::1]", True), ("[::ffff:10.0.0.1]", True), ("8.8.8.8", False),
        ("name.invalid", False),
    ],
)  # fmt: skip
def test_private_addresses_are_known(host: str, private: bool) -> None:
    assert network.private(f"https://{host}/x") is private


def test_endless_redirects_end(server: Server, tmp_path: Path) -> None:
    url = f"{server.url}" + "/to/" * 8 + "/ok/a"
    assert "more than 5 redirects" in refused(url, tmp_path / "cache").message
    assert len(server.seen) == 6


def test_a_short_body_is_refused_and_a_later_attempt_may_succeed(server: Server, tmp_path: Path) -> None:
    finding = refused(f"{server.url}/short/a", tmp_path / "cache")
    assert "ended after 1000 of 16384 bytes" in finding.message and len(server.seen) == 4
    assert fetch.fetch(f"{server.url}/recovers/a", SHA256, tmp_path / "cache").read_bytes() == BODY


def test_the_size_limit_holds_for_declared_and_for_real_sizes(server: Server, tmp_path: Path) -> None:
    assert "over the limit of 100" in refused(f"{server.url}/ok/a", tmp_path / "cache", limit=100).message
    assert "more than 100 bytes" in refused(f"{server.url}/unsized/a", tmp_path / "cache", limit=100).message
    assert "over the limit" in refused(f"{server.url}/lies/a", tmp_path / "cache").message
    assert fetch.fetch(f"{server.url}/unsized/a", SHA256, tmp_path / "cache", limit=len(BODY)).read_bytes() == BODY


def test_server_errors_are_tried_again_and_others_not(server: Server, tmp_path: Path) -> None:
    assert fetch.fetch(f"{server.url}/flaky/a", SHA256, tmp_path / "cache").read_bytes() == BODY
    assert len(server.seen) == 3
    server.seen.clear()
    assert "answered 404" in refused(f"{server.url}/404/a", tmp_path / "none").message and len(server.seen) == 1
    assert "answered 500 (4 attempts)" in refused(f"{server.url}/500/a", tmp_path / "none").message
    assert len(server.seen) == 5


def test_a_cut_connection_and_a_dead_port_are_tried_again(server: Server, tmp_path: Path) -> None:
    assert "4 attempts" in refused(f"{server.url}/cut/a", tmp_path / "cache").message and len(server.seen) == 4
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        finding = refused(f"https://localhost:{free.getsockname()[1]}/x", tmp_path / "cache")
    assert "refused" in finding.message and finding.exit_code == 8


def test_an_unknown_authority_is_refused_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    finding = refused(f"{server.url}/ok/a", tmp_path / "cache")
    assert "certificate does not verify" in finding.message and server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/x", "file:///etc/hostname", "https://a:b@localhost/x", "https:///x", "x", "https://[bad/x",
        "https://localhost:99999/x", "https://localhost/ä",
    ],
)  # fmt: skip
def test_only_https_without_credentials_is_fetched(tmp_path: Path, url: str) -> None:
    assert refused(url, tmp_path / "cache").code == "download-failed"


def test_a_full_disk_is_called_by_its_name(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 (fetch closes it)
    monkeypatch.setattr(fetch, "_staging", lambda place: (place / "temporary", full))
    finding = refused(f"{server.url}/ok/a", tmp_path / "cache")
    assert (finding.code, finding.exit_code) == ("disk-full", 8)
    assert full.closed


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure) as caught:
        fetch.fetch("https://localhost/x", SHA256, tmp_path / "file" / "cache")
    assert caught.value.diagnostics[0].code == "not-writable"
