"""Which URLs may be asked, and whether a host is this machine, or in a private network."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def unfit(url: str, origin: str | None = None, plain: bool = False) -> str | None:
    """Return what ``url`` is that may not be asked, in words that go on from "it is", None where it may be.

    It is https (with ``plain`` http too), of a host, without credentials, and not in a private network where ``origin``, which
    leads to it, is public.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # 99999 is none
    except ValueError as error:
        return f"{url!r}, which is no URL: {error}"
    if parts.scheme not in (("https", "http") if plain else ("https",)) or not parts.hostname:
        return f"{url!r}, which is not https"
    if parts.username or parts.password:
        return "one that carries credentials"
    if not f"{parts.path}{parts.query}".isascii():
        return f"{url!r}, which holds characters that no URL has"
    if origin and private(url) and not private(origin):
        return f"{url!r}, which is in a private network"
    return None


def private(url: str) -> bool:
    """Return whether the host of ``url`` has an address that is not public; False where none can be found."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return False  # behind a proxy names may not resolve here; the proxy decides then
    return any(not ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_global for address in found)


def loopback(host: str) -> bool:
    """Return whether ``host`` or ``host:port`` names this machine; no name but ``localhost`` is looked up."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
