"""The shell scripts of bundles for Linux, around a runner that lies in the bundle or is compiled into it on the device."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edgec.artifacts.bundle import File
from edgec.artifacts.parts import Parts
from edgec.kinds.printing import environment

FOLDER = "linux-native"


def scripts(parts: Parts, names: Sequence[str], runner: str, *, built_there: bool = False) -> dict[str, File]:
    """Return scripts around ``runner``, a path in the bundle; ``built_there`` says that it is compiled on the device."""
    plan, shell = parts.plan, environment(FOLDER, finalize=shlex.quote)
    facts = {
        "name": plan.name,
        "version": plan.version,
        "architecture": plan.target.architecture,
        "required": parts.record["hardware"]["required"],
        "features": plan.target.features,
        "cpu": plan.target.cpu,
        "runner": runner,
        "built_there": built_there,
    }
    return {name: File(content=shell.get_template(f"{name}.j2").render(facts).encode(), executable=True) for name in names}
