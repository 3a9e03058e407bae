"""What goes wrong between edgec and a registry: faults that may pass, which are tried again, and refusals, which are not."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from edgec.artifacts.reference import Reference
from edgec.diagnostics import Diagnostic, Failure

Result = TypeVar("Result")

ATTEMPTS = 5
FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each later pause is twice as long, or what the registry asks for."""
LONGEST_PAUSE = 30.0


class Fault(Exception):
    """Something that may be gone at the next attempt: no connection, a cut one, 5xx, 429."""

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause


class Attempts:
    """Counts faults in a row, and waits longer after each; what comes ``step`` bytes farther than ever is a new row.

    Less is no progress: a connection that is cut after each byte would be continued for days, and one that begins anew each
    time would be for ever.
    """

    def __init__(self, reference: Reference, step: int = 1, reached: int = 0) -> None:
        self.reference = reference
        self._step = step
        self._reached = reached
        self._faults = 0

    def reached(self, offset: int) -> None:
        """Note that the bytes up to ``offset`` are there."""
        if offset >= self._reached + self._step:
            self._reached = offset
            self._faults = 0

    def wait(self, fault: Fault) -> None:
        """Wait before the next attempt. Raises Failure ``registry-unreachable`` where that was the last."""
        self._faults += 1
        if self._faults >= ATTEMPTS:
            message = f"the registry {self.reference.host} could not be reached: {fault} ({ATTEMPTS} attempts)"
            raise Failure(Diagnostic(code="registry-unreachable", message=message)) from None
        time.sleep(min(max(FIRST_PAUSE * 2 ** (self._faults - 1), fault.pause), LONGEST_PAUSE))


def retried(reference: Reference, action: Callable[[], Result]) -> Result:
    """Return what ``action`` returns, tried again after each Fault. Raises Failure ``registry-unreachable``."""
    attempts = Attempts(reference)
    while True:
        try:
            return action()
        except Fault as fault:
            attempts.wait(fault)


def refused(reference: Reference, why: str, hint: str | None = None) -> Failure:
    """Return the Failure ``registry-refused``."""
    message = f"the registry {reference.host} does not serve {reference.repository}: {why}"
    return Failure(Diagnostic(code="registry-refused", message=message, hint=hint))


def whole_number(text: str) -> int | None:
    """Return the number that a header holds in ASCII digits, None where it holds anything else."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


@contextlib.contextmanager
def connection(reference: Reference) -> Iterator[None]:
    """Turn what urllib3 raises inside the block into a Fault; a certificate that does not verify is refused at once."""
    import urllib3.exceptions

    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                hint = "SSL_CERT_FILE names the file of your own certificate authority"
                raise refused(reference, f"its certificate does not verify: {cause.verify_message}", hint) from None
        raise Fault(_said(error)) from None


def words(body: bytes) -> str:
    """Return what a registry says about an error (the OCI specification's JSON) in brackets, or nothing."""
    try:
        said = "; ".join(f"{error.get('code')}: {error.get('message')}" for error in json.loads(body)["errors"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return f" ({said[:300]})" if said else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that urllib3 wraps, as an argument or as a cause."""
    current: BaseException | None = error
    while current is not None:
        yield current
        inner = [value for value in current.args if isinstance(value, BaseException)]
        current = inner[0] if inner else current.__cause__


def _said(error: BaseException) -> str:
    *_, last = _causes(error)
    text = last.strerror if isinstance(last, OSError) and last.strerror else str(last)
    return text.rpartition(">: ")[2] or type(last).__name__
