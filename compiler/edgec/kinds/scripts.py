"""The shell scripts of bundles for Linux, around its own runner or one that is built of its sources."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from edgec.artifacts.bundle import File
from edgec.artifacts.document import Json
from edgec.artifacts.parts import Parts
from edgec.kinds.printing import environment

FOLDER = "linux-native"


def feeding(record: Mapping[str, Json]) -> dict[str, Json]:
    """Return what a README says of how run.sh is fed: an image, a stream of sound or samples, a tensor, or several inputs."""
    inputs = record["inputs"]
    first, pictures = inputs[0], ["image" in entry for entry in inputs]
    places = [f"{'IMAGE' if picture else 'TENSOR'}{number}" for number, picture in enumerate(pictures, 1)]
    kinds = {"image": "image", "audio": "sound", "stream": "stream"}
    one = next((kind for key, kind in kinds.items() if key in first), "tensor")
    return {
        "feed": one if len(inputs) == 1 else "several",
        "places": places,
        "pictures": any(pictures),
        "rate": first.get("audio", {}).get("sample_rate"),
        "channels": first["shape"][1] if len(first["shape"]) == 3 else 1,
        "sized": any(entry["minimum"] != entry["shape"] for entry in inputs),
    }


def scripts(parts: Parts, names: Sequence[str], *, video: bool = False, source: bool = False) -> dict[str, File]:
    """Return scripts around the bundle's runner; with ``source`` around one that EDGEC_RUNNER names, built on the device.

    ``video``: the bundle has the programs behind ``run.sh --source``.
    """
    plan, shell = parts.plan, environment(FOLDER, finalize=shlex.quote)
    facts = {
        "name": plan.name,
        "version": plan.version,
        "architecture": plan.target.architecture,
        "required": parts.record["hardware"]["required"],
        "features": plan.target.features,
        "cpu": plan.target.cpu,
        "video": video,
        "source": source,
    }
    return {name: File(content=shell.get_template(f"{name}.j2").render(facts).encode(), executable=True) for name in names}
