"""The targets that edgec knows, as data rows; adding one is a row in a file beside this one and a line in docs/targets.md."""

from __future__ import annotations

from edgec.artifacts.target import Target
from edgec.targets import handheld, linux, microcontrollers
from edgec.targets.linux import JETSON_NANO, LINUX_X86_64

__all__ = ["JETSON_NANO", "LINUX_X86_64", "TARGETS"]

TARGETS: dict[str, Target] = {row.name: row for row in (*linux.ROWS, *handheld.ROWS, *microcontrollers.ROWS)}
