"""The ``weights`` of a model as a manifest gives them, checked without torch and turned into the bytes to load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Key, Location
from edgec.store import cache, weights
from edgec.store.files import collected, located, sha256_of, sha256_once

if TYPE_CHECKING:
    import torch

FILE: Json = {
    "type": "string",
    "minLength": 1,
    "title": "File",
    "description": "A safetensors file or a PyTorch checkpoint (loaded with weights_only), relative to the manifest.",
    "examples": ["weights/camera.safetensors"],
}
SHA256: Json = {
    "type": "string",
    "pattern": weights.SHA256,
    "title": "sha256",
    "description": "The file's sha256, 64 lower-case hexadecimal digits; `sha256sum FILE` prints it.",
}
URL: Json = {
    "type": "string",
    "pattern": "^https://",
    "title": "URL",
    "description": "Where to fetch the file, by https; it is kept in the cache.",
}
RANDOM: Json = {
    "type": "integer",
    "minimum": 0,
    "maximum": 2**63 - 1,
    "title": "Seed",
    "description": "Random weights from this seed, for trials: the bundle is marked not for release.",
}


def check(given: Any, project: Project, kinds: tuple[str, ...]) -> list[Diagnostic]:
    """Return what is wrong with a ``{file|url, sha256}`` or ``{random}`` mapping; ``kinds`` are those allowed here."""
    present = [kind for kind in ("file", "url", "random") if kind in given]
    if len(present) != 1 or present[0] not in kinds:
        listed = " or ".join("{random: SEED}" if kind == "random" else f"{{{kind}, sha256}}" for kind in kinds)
        return [wrong(f"weights must be exactly one of {listed}", ("weights",))]
    if present == ["random"]:
        extra = [wrong("random weights have no sha256", ("weights", "sha256"))] if "sha256" in given else []
        return extra + _seed(given["random"])
    sha256 = given.get("sha256")
    if sha256 is None:
        return [wrong(f"{given[present[0]]} needs its sha256", ("weights",), hint=_digest_hint(given, project))]
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        message = f"{sha256!r} is no sha256: 64 lower-case hexadecimal digits"
        return [wrong(message, ("weights", "sha256"), hint=_digest_hint(given, project))]
    return collected(lambda: _file(given, project)) if present == ["file"] else _url(given["url"])


def path(given: Mapping[str, Any], project: Project) -> Path:
    """Return the file of ``{file, sha256}``. Raises Failure ``weights-invalid`` or ``path-outside-root``."""
    return located(project, given["file"], ("weights", "file"), code="weights-invalid")


def state_dict(given: Mapping[str, Any], project: Project) -> dict[str, torch.Tensor]:
    """Return the tensors of ``{file, sha256}`` or ``{url, sha256}``, digest checked on the bytes that are loaded."""
    if "file" in given:
        return weights.state_dict(path(given, project), given["sha256"], given["file"])
    from edgec.store import fetch  # brings http and TLS, which `validate` never needs

    fetched = fetch.fetch(given["url"], given["sha256"], cache.default_folder(), offline=project.offline)
    return weights.state_dict(fetched, given["sha256"], given["url"])


def wrong(
    message: str, route: tuple[Key, ...], *, hint: str | None = None, code: str = "weights-invalid"
) -> Diagnostic:
    """Return an error at ``route``, relative to ``model``."""
    return Diagnostic(code=code, message=message, where=Location(file="", route=route), hint=hint)


def _file(given: Mapping[str, Any], project: Project) -> None:
    actual = sha256_once(path(given, project))
    if actual != given["sha256"]:
        message = f"{given['file']} has sha256 {actual}, not {given['sha256']}"
        hint = "if the file is meant to have changed, put its new sha256 here"
        raise Failure(wrong(message, ("weights", "sha256"), hint=hint, code="digest-mismatch"))


def _url(url: str) -> list[Diagnostic]:
    from edgec.store.network import unfit

    hint = None if url.isascii() else "percent-encode what is not ASCII: %C3%A4 for ä"
    return [wrong(f"the URL is {why}", ("weights", "url"), hint=hint)] if (why := unfit(url)) else []


def _seed(seed: Any) -> list[Diagnostic]:
    valid = isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63
    return (
        [] if valid else [wrong(f"the seed {seed!r} is not a whole number from 0 to 2^63 - 1", ("weights", "random"))]
    )


def _digest_hint(given: Mapping[str, Any], project: Project) -> str | None:
    if "file" not in given or collected(lambda: path(given, project)):
        return "`sha256sum FILE` prints it"
    return f"sha256: {sha256_of(path(given, project))}"
