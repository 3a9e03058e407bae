"""The real registry (Debian's docker-registry) on loopback, with TLS and a password; and a line to it that can be cut."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trustme

USER, PASSWORD = "edgec", "secret"
HTPASSWD = f"{USER}:$2b$04$UNF4rxh1Yhtpjg4ehl8SS.BLQSAWvgvaGMvOwXO8q0oJGUce5.wC2\n"
"""bcrypt of PASSWORD: the one kind that the registry takes."""
PROGRAM = "docker-registry"
CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", secret: for-tests{tls}}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""
TLS = ", tls: {{certificate: {folder}/server.pem, key: {folder}/server.key}}"


@dataclass(frozen=True)
class Registry:
    """A running registry; ``environment`` lets a process trust it and log in."""

    host: str
    root: Path
    environment: dict[str, str]

    def blob(self, digest: str) -> Path:
        """The file in which the registry keeps a blob."""
        name = digest.partition(":")[2]
        return self.root / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"


def installed() -> bool:
    return shutil.which(PROGRAM) is not None


@contextlib.contextmanager
def running(folder: Path, *, tls: bool = True) -> Iterator[Registry]:
    """Run the registry with its data, keys and docker config below the new ``folder``."""
    folder.mkdir()
    port = free_port()
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "htpasswd").write_text(HTPASSWD)
    secure = TLS.format(folder=folder) if tls else ""
    (folder / "config.yml").write_text(CONFIG.format(root=folder / "data", folder=folder, port=port, tls=secure))
    registry = Registry(host=f"localhost:{port}", root=folder / "data", environment=login(folder, f"localhost:{port}"))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        wait_for(port, process)
        yield registry
    finally:
        process.kill()
        process.wait()


def login(folder: Path, host: str) -> dict[str, str]:
    """Write a docker config that knows the password for ``host`` too, and return the environment that names it."""
    path = folder / "docker" / "config.json"
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text())["auths"] if path.exists() else {}
    known[host] = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    path.write_text(json.dumps({"auths": known}))
    return {"SSL_CERT_FILE": str(folder / "ca.pem"), "DOCKER_CONFIG": str(path.parent), "no_proxy": "localhost"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError("docker-registry ended at once")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("docker-registry does not answer")


@dataclass
class Line:
    """A line to the registry: ``cuts`` holds, for each connection to come, after how many bytes either way it is cut."""

    port: int
    cuts: list[int] = field(default_factory=list)
    connections: int = 0


@contextlib.contextmanager
def line_to(registry: Registry) -> Iterator[Line]:
    """Run a forwarder of bytes to the registry; TLS goes through it unseen."""
    target = int(registry.host.partition(":")[2])
    server = socket.create_server(("127.0.0.1", 0))
    line = Line(port=server.getsockname()[1])

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                line.connections += 1
                left = [line.cuts.pop(0)] if line.cuts else [1 << 62]
                there = socket.create_connection(("127.0.0.1", target))
                for one, other in ((client, there), (there, client)):
                    threading.Thread(target=forward, args=(one, other, left), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield line
    finally:
        server.close()


def forward(one: socket.socket, other: socket.socket, left: list[int]) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(min(1 << 16, max(left[0], 1))):
            left[0] -= len(data)
            if left[0] < 0:
                break
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
