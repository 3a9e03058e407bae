"""A page on the loopback interface with the latest picture, what the model saw in it, and the run's figures."""

import base64
import hashlib
import http.server
import json
import os
import re
import socketserver
import sys
import threading
import time
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from ffmpeg import Tool
from frames import Frame
from jpegs import Jpegs
from problem import ENVIRONMENT, Problem

HOST = "127.0.0.1"
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.html")
WAIT_SECONDS = 1.0
UNSEEN_SECONDS = 3.0
TURN_SECONDS = 0.2
SECONDS_TO_END = 5.0


class Shown(NamedTuple):
    """A picture as the page gets it: its number in the row of pictures shown, and the line of its result."""

    number: int
    jpeg: bytes
    line: Dict[str, Any]


class Preview:
    """Serves from threads of its own. JPEGs are made only while a page asks for them. Raises Problem for a port in use."""

    def __init__(self, port: int, tool: Tool, figures: Callable[[], Dict[str, Any]]) -> None:
        self.figures = figures
        self.jpegs = Jpegs(tool)
        self.turn = threading.Condition()
        self.latest: Optional[Tuple[Frame, Dict[str, Any]]] = None
        self.shown = Shown(0, b"", {})
        self.asked = float("-inf")
        self.closed = False
        self.trouble = ""
        try:
            self.server = Server((HOST, port), type("Handler", (Handler,), {"preview": self}))
        except OSError as error:
            message = f"--preview {port}: 127.0.0.1:{port} cannot be listened on: {error.strerror}"
            raise Problem(ENVIRONMENT, message) from None
        self.port = self.server.server_address[1]
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self.server.serve_forever, self._encode)]
        for thread in self.threads:
            thread.start()

    def publish(self, frame: Frame, line: Dict[str, Any]) -> None:
        """Offer a picture and its result; the one before is forgotten if nobody took it."""
        with self.turn:
            self.latest = (frame, line)
            self.turn.notify_all()

    def next(self, after: int) -> Shown:
        """Return the first picture shown after number ``after``; the last one again where none comes within a second."""
        with self.turn:
            self.asked = time.monotonic()
            self.turn.notify_all()
            until = self.asked + WAIT_SECONDS
            # A page that was open when another run served it may ask for a number that is still to come.
            while self.shown.number in (0, after) and not self.closed and time.monotonic() < until:
                self.turn.wait(max(0.0, until - time.monotonic()))
            return self.shown

    def close(self) -> None:
        """Stop serving and end ffmpeg."""
        with self.turn:
            self.closed = True
            self.turn.notify_all()
        self.server.shutdown()
        self.server.server_close()
        for thread in self.threads:
            thread.join(SECONDS_TO_END)

    def _watched(self) -> bool:
        return time.monotonic() - self.asked < UNSEEN_SECONDS

    def _encode(self) -> None:
        while not self.closed:
            with self.turn:
                self.turn.wait_for(lambda: self.closed or (self.latest is not None and self._watched()), TURN_SECONDS)
                watched = self._watched()
                taken = self.latest if watched else None
                self.latest = None if watched else self.latest
            if not watched:
                self.jpegs.close()
            if taken:
                self._show(*taken)
        self.jpegs.close()

    def _show(self, frame: Frame, line: Dict[str, Any]) -> None:
        try:
            jpeg = self.jpegs.encode(frame)
        except Problem as problem:
            self.trouble = str(problem)
            return
        with self.turn:
            self.trouble = ""
            self.shown = Shown(self.shown.number + 1, jpeg, line)
            self.turn.notify_all()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """http.server has one of its own from Python 3.7 on."""

    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell what is a bug; a page that went away is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """``/`` is the page, ``/frame?after=N`` a line of JSON and then a JPEG, ``/figures`` JSON alone."""

    preview: Preview
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version, sys_version = "edgec", ""

    def do_GET(self) -> None:
        """Answer a page of this machine only: by another name, a page of elsewhere may have led here."""
        if (self.headers.get("Host") or "").rsplit(":", 1)[0] not in (HOST, "localhost"):
            return self.answer(403, "text/plain", b"only as 127.0.0.1 or localhost\n")
        path, _, query = self.path.partition("?")
        if path == "/":
            page, policy = read_page()
            return self.answer(200, "text/html; charset=utf-8", page, {"Content-Security-Policy": policy})
        if path == "/figures":
            return self.answer(200, "application/json", json.dumps(self.preview.figures()).encode())
        found = re.match(r"^after=(\d{1,15})$", query)
        if path != "/frame" or not found:
            return self.answer(404, "text/plain", b"not here\n")
        shown = self.preview.next(int(found.group(1)))
        again = shown.number == int(found.group(1))
        told = {"number": shown.number, "line": shown.line, "trouble": self.preview.trouble, **self.preview.figures()}
        body = json.dumps(told).encode() + b"\n" + (b"" if again else shown.jpeg)
        return self.answer(200, "application/octet-stream", body)

    def answer(self, status: int, kind: str, body: bytes, more: Optional[Dict[str, str]] = None) -> None:
        """Send a whole response that nothing else may embed or keep."""
        self.send_response(status)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", **(more or {}),
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: Any) -> None:
        """Say nothing of each request."""


def read_page() -> Tuple[bytes, str]:
    """Return the page and a policy by which nothing runs or loads but what is in it."""
    with open(PAGE, "rb") as file:
        page = file.read()
    within = {tag: digest(page, tag) for tag in ("script", "style")}
    return page, (
        "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"script-src 'sha256-{within['script']}'; style-src 'sha256-{within['style']}'"
    )


def digest(page: bytes, tag: str) -> str:
    """Return the digest of what one element holds, as a policy names it."""
    start, end = page.index(f"<{tag}>".encode()) + len(tag) + 2, page.index(f"</{tag}>".encode())
    return base64.b64encode(hashlib.sha256(page[start:end]).digest()).decode()
