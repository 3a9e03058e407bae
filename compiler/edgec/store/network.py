"""Whether a host is this machine, or in a private network: what redirects and plain http are judged by."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


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
