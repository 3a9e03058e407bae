"""What ends a run early: a message for standard error and the exit code that goes with it."""

import re

OK, USAGE, MISSING, ENVIRONMENT, INTERRUPTED = 0, 2, 6, 8, 130


class Problem(Exception):
    """Told on one line, without a traceback."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stopped(Exception):
    """The run is to end: SIGTERM or SIGINT came, or something else of it went wrong."""


# Up to the last @ where a colon comes before the path: a password may hold a slash, and a path's own @ is no loss.
USER = re.compile(r"(\w://)(?:[^/\s]*:\S*|[^/\s]+)@")
SECRET = re.compile(r"([?&;][^=&\s]*(?:pass|pwd|token|auth|key)[^=&\s]*=)[^&\s]*?(?=:?(?:[&\s]|$))", re.IGNORECASE)


def masked(text: str) -> str:
    """Return text with the passwords of its URLs left out: ``rtsp://***@camera/stream``, ``…?password=***``."""
    return SECRET.sub(r"\1***", USER.sub(r"\1***@", text))
