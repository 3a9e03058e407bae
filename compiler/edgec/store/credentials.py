"""A registry's credentials from the usual docker config: `auths`, `credHelpers` and `credsStore`."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgec.diagnostics import Diagnostic, Failure

HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HELPER_SECONDS = 60
NOT_FOUND = "credentials not found"
"""What a helper prints for a host that it has nothing for, by docker's credential-helper protocol."""
DOCKER_HUB = "https://index.docker.io/v1/"
TOKEN_USER = "<token>"
"""The user name by which a helper says that its secret is an identity token."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user's name and password, or an identity token to trade for access tokens. Never shown."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """Return the value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def config_file() -> Path | None:
    """Return ``$DOCKER_CONFIG/config.json``, by default that in ``~/.docker``; None for a user without a home."""
    folder = os.environ.get("DOCKER_CONFIG")
    try:
        return (Path(folder) if folder else Path("~/.docker").expanduser()) / "config.json"
    except RuntimeError:
        return None


def credentials(host: str) -> Credentials | None:
    """Return what the docker config holds for ``host``, a helper's answer first; None where it holds nothing.

    Raises Failure ``credentials-unusable``: the file or an entry cannot be read, or a helper is missing or fails.
    """
    path = config_file()
    if path is None:
        return None
    config = _read(path)
    names = _names(host)
    helpers = config.get("credHelpers") or {}
    for name in names:
        if name in helpers:
            return _asked(path, str(helpers[name]), name)
    if (store := config.get("credsStore")) and (found := _asked(path, str(store), names[0])):
        return found
    entries = {_bare(name): entry for name, entry in (config.get("auths") or {}).items()}
    entry = next((entries[_bare(name)] for name in names if _bare(name) in entries), None)
    return _entry(path, host, entry) if entry else None


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unusable(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _unusable(f"{path} is not JSON: {error}") from None
    tables = ("auths", "credHelpers")
    if not isinstance(config, dict) or not all(isinstance(config.get(key) or {}, dict) for key in tables):
        raise _unusable(f"{path} is not a docker config: 'auths' and 'credHelpers' are objects")
    return config


def _names(host: str) -> tuple[str, ...]:
    """Return the keys that docker itself looks under for a host."""
    hub = host in ("docker.io", "index.docker.io", "registry-1.docker.io")
    return (DOCKER_HUB, "docker.io", "index.docker.io") if hub else (host, f"https://{host}", f"http://{host}")


def _bare(name: str) -> str:
    """Return the host of a key of ``auths``, which older clients wrote as a URL with a path."""
    return re.sub(r"^https?://", "", name).split("/")[0]


def _entry(path: Path, host: str, entry: Any) -> Credentials | None:
    if not isinstance(entry, dict):
        raise _unusable(f"{path}: the entry of {host} is not an object")
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            user, colon, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise _unusable(f"{path}: 'auth' of {host} is not base64 of user:password")
    token = str(entry.get("identitytoken") or "")
    try:
        f"{user}{password}{token}".encode()
    except UnicodeEncodeError:  # half a surrogate is none of a password
        raise _unusable(f"{path}: the entry of {host} is not text") from None
    return Credentials(user=user, password=password, identity_token=token) if user or token else None


def _asked(path: Path, helper: str, name: str) -> Credentials | None:
    """Ask ``docker-credential-<helper> get`` for the credentials of the server ``name``."""
    program = shutil.which(f"docker-credential-{helper}") if HELPER.fullmatch(helper) else None
    if not program:
        raise _unusable(f"{path} names the credential helper {helper!r}; docker-credential-{helper} is not on PATH")
    try:
        done = subprocess.run([program, "get"], input=name.encode(), capture_output=True, check=False, timeout=HELPER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unusable(f"docker-credential-{helper} did not answer: {error}") from None
    if done.returncode:
        said = (done.stdout.strip() or done.stderr.strip()).decode(errors="replace").split("\n")[0]
        if NOT_FOUND in said.lower():
            return None
        raise _unusable(f"docker-credential-{helper} failed: {said or f'exit code {done.returncode}'}")
    try:
        answer = json.loads(done.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
        f"{user}{secret}".encode()  # half a surrogate is none of a password
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _unusable(f"docker-credential-{helper} gave no Username and Secret") from None
    if user == TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(user=user, password=secret)


def _unusable(message: str) -> Failure:
    hint = "docker login HOST writes it anew; DOCKER_CONFIG names another folder"
    return Failure(Diagnostic(code="credentials-unusable", message=message, hint=hint))
