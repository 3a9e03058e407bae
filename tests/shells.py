"""The shells that the bundle's scripts must run in, and one way to call a script."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
}


def call(
    *command: object, environment: Mapping[str, str] | None = None, stdin: bytes = b"", cwd: Path | None = None
) -> tuple[int, str, str]:
    """Run a command and return its exit code, what it printed, and what it said on standard error."""
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        cwd=cwd,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()
