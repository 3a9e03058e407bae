"""What a registry asks of who asks it (WWW-Authenticate), answered: Basic, or a bearer token from its token service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from edgec.artifacts.reference import Reference
from edgec.store.credentials import Credentials
from edgec.store.faults import Fault, refused

if TYPE_CHECKING:
    from edgec.store.transport import Answer

    Ask = Callable[[str, str, Mapping[str, str], bytes | None], Answer]

PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')
CLIENT = "edgec"


def authorization(reference: Reference, challenges: list[str], known: Credentials | None, ask: Ask) -> str:
    """Return the Authorization header that answers one of ``challenges``, a bearer one if there is any.

    ``ask`` is how the token service is asked. Raises Fault, and Failure ``registry-refused`` where nothing known answers
    them, or the token service refuses.
    """
    parsed = {text.partition(" ")[0].lower(): dict(PARAMETER.findall(text)) for text in reversed(challenges)}
    bearer = parsed.get("bearer", {})
    if bearer.get("realm"):
        return f"Bearer {_token(reference, bearer, known, ask)}"
    if "basic" not in parsed:
        named = ", ".join(challenges) or "nothing that it names"
        raise refused(reference, f"it asks for what edgec cannot give: {named}")
    if known and not known.identity_token:
        return known.basic()
    raise refused(reference, "it asks for a user and a password", f"none is known: docker login {reference.host}")


def _token(reference: Reference, bearer: Mapping[str, str], known: Credentials | None, ask: Ask) -> str:
    """Get a token as docker's token specification has it: GET with Basic, or POST an identity token (OAuth 2)."""
    realm = bearer["realm"]
    wanted = {key: bearer[key] for key in ("service", "scope") if bearer.get(key)}
    if known and known.identity_token:
        form = {**wanted, "grant_type": "refresh_token", "refresh_token": known.identity_token, "client_id": CLIENT}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return _given(reference, ask("POST", realm, headers, urlencode(form).encode()))
    url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(wanted)}"
    return _given(reference, ask("GET", url, {"Authorization": known.basic()} if known else {}, None))


def _given(reference: Reference, answer: Answer) -> str:
    if answer.status >= 500 or answer.status == 429:
        raise Fault(f"its token service answered {answer.status}")
    try:
        found = json.loads(answer.body) if answer.status == 200 else {}
    except (ValueError, RecursionError):
        found = {}
    token = found.get("token") or found.get("access_token") if isinstance(found, dict) else None
    if not isinstance(token, str):
        why = f"its token service answered {answer.status}, without a token"
        raise refused(reference, why, f"docker login {reference.host}")
    return token
