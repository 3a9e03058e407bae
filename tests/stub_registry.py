"""A small OCI registry on loopback with TLS, whose every answer a test can spoil; the real one is in registries.py."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from edgec.artifacts.reference import Reference
from edgec.store import faults


@dataclass
class Stub:
    """What the registry holds, what it was asked, and how it misbehaves.

    ``spoil`` sees each request first and may answer it by itself (then it returns True). ``tokens`` makes the registry
    ask for a bearer token; ``cut`` ends a blob's body after that many bytes, once for each entry.
    """

    host: str
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    spoil: Callable[[Handler], bool] = lambda handler: False
    cut: list[int] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def reference(self, tag: str | None = "1.0.0") -> Reference:
        return Reference(host=self.host, repository="team/camera", tag=tag)

    def blob(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return digest


class Handler(http.server.BaseHTTPRequestHandler):
    """The part of the OCI distribution specification that edgec uses."""

    protocol_version = "HTTP/1.1"

    @property
    def stub(self) -> Stub:
        return self.server.stub  # type: ignore[attr-defined, no-any-return]

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def hang_up(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close_connection = True
        self.connection.close()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, **headers: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": "as the test wants it"}]}).encode()
        self.answer(status, body, **headers)

    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # a test that hangs up
            super().handle_one_request()

    def do_any(self) -> None:
        self.stub.asked.append(f"{self.command} {urlsplit(self.path).path}")
        self.stub.authorizations.append(self.headers.get("Authorization", ""))
        if self.stub.spoil(self):
            return
        match = re.fullmatch(r"/v2/team/camera/(manifests|blobs|tags)/(.+)", urlsplit(self.path).path)
        assert match, self.path
        getattr(self, match[1])(match[2])

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_any  # noqa: N815

    def tags(self, _: str) -> None:
        names = [name for name in self.stub.manifests if not name.startswith("sha256:")]
        self.answer(200, json.dumps({"name": "team/camera", "tags": names}).encode())

    def manifests(self, name: str) -> None:
        if self.command == "PUT":
            content = self.body()
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            self.stub.manifests[name] = self.stub.manifests[digest] = (self.headers["Content-Type"], content)
            return self.answer(201, Docker_Content_Digest=digest)
        if name not in self.stub.manifests:
            return self.refuse(404, "MANIFEST_UNKNOWN")
        kind, content = self.stub.manifests[name]
        return self.answer(200, content, Content_Type=kind)

    def blobs(self, name: str) -> None:
        if name.startswith("uploads/"):
            return self.upload(name.removeprefix("uploads/"))
        content = self.stub.blobs.get(name)
        if content is None:
            return self.refuse(404, "BLOB_UNKNOWN")
        wanted = re.match(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        offset = int(wanted[1]) if wanted else 0
        headers = {"Content_Range": f"bytes {offset}-{len(content) - 1}/{len(content)}"} if wanted else {}
        if self.command == "GET" and self.stub.cut:
            length = self.stub.cut.pop(0)
            self.send_response(206 if wanted else 200)
            for key, value in {**headers, "Content-Length": str(len(content) - offset)}.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content[offset : offset + length])
            self.wfile.flush()
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        return self.answer(206 if wanted else 200, content[offset:], **headers)

    def upload(self, name: str) -> None:
        stub = self.stub
        if self.command == "POST":
            name = f"session-{len(stub.uploads)}"
            stub.uploads[name] = b""
        elif name not in stub.uploads:
            return self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
        elif self.command in ("PATCH", "PUT"):
            wanted = re.match(r"([0-9]+)-", self.headers.get("Content-Range", ""))
            if wanted and int(wanted[1]) != len(stub.uploads[name]):
                return self.refuse(416, "BLOB_UPLOAD_INVALID")
            stub.uploads[name] += self.body()
        if self.command == "PUT":
            content = stub.uploads.pop(name)
            digest = parse_qs(urlsplit(self.path).query)["digest"][0]
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
                return self.refuse(400, "DIGEST_INVALID")
            stub.blobs[digest] = content
            return self.answer(201, Docker_Content_Digest=digest)
        arrived = max(len(stub.uploads[name]) - 1, 0)
        place = f"/v2/team/camera/blobs/uploads/{name}"
        return self.answer(204 if self.command == "GET" else 202, Location=place, Range=f"0-{arrived}")

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def stub_registry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """Run a Stub that this process trusts, with pauses of no length and a docker config of the test's own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up
    server.stub = Stub(host=f"localhost:{server.server_address[1]}")  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    trusted(authority, folder, monkeypatch)
    monkeypatch.setattr(faults, "FIRST_PAUSE", 0.001)
    try:
        yield server.stub  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def trusted(authority: trustme.CA, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and its children trust ``authority``, know no credentials, and use no proxy."""
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "docker"))
    monkeypatch.setenv("EDGEC_CACHE", str(folder / "cache"))
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
