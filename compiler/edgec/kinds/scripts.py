"""The shell scripts of bundles for Linux, around its own runner or one that is built of its sources."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edgec.artifacts.bundle import File
from edgec.artifacts.parts import Parts
from edgec.kinds.printing import environment

FOLDER = "linux-native"


def scripts(parts: Parts, names: Sequence[str], *, source: bool = False) -> dict[str, File]:
    """Return scripts around the bundle's runner; with ``source`` around one that EDGEC_RUNNER names, built on the device."""
    plan, shell = parts.plan, environment(FOLDER, finalize=shlex.quote)
    facts = {
        "name": plan.name,
        "version": plan.version,
        "architecture": plan.target.architecture,
        "required": parts.record["hardware"]["required"],
        "features": plan.target.features,
        "cpu": plan.target.cpu,
        "source": source,
    }
    return {name: File(content=shell.get_template(f"{name}.j2").render(facts).encode(), executable=True) for name in names}
