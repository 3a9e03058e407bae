"""Any architecture of ``torchvision.models.get_model``, with weights from a file, a URL, torchvision, or a seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, first_line, nearest
from edgec.exhaustion import exhausted
from edgec.sources import given_weights
from edgec.sources.given_weights import wrong
from edgec.sources.torchvision_table import Architecture, architectures
from edgec.sources.untrained import draw_zeros, seeded
from edgec.store import cache, weights
from edgec.store.files import sha256_of

if TYPE_CHECKING:
    import torch

SUMMARY = "an architecture of torchvision, by name"
NEEDS: tuple[str, ...] = ("torchvision",)
RUNS_CODE = False
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "weights"],
    "properties": {
        "name": {
            "type": "string",
            "title": "Architecture",
            "description": "Any name that torchvision.models.get_model takes.",
            "examples": ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "resnet50", "vit_b_16"],
        },
        "arguments": {
            "type": "object",
            "title": "Arguments",
            "description": "Keyword arguments of the architecture's constructor.",
            "default": {},
            "examples": [{"num_classes": 10, "width_mult": 0.5}],
        },
        "weights": {
            "type": ["string", "object"],
            "minLength": 1,
            "title": "Weights",
            "description": "{file, sha256}, {url, sha256}, the name of torchvision's own (IMAGENET1K_V1, DEFAULT), or "
            "{random: SEED} for trials.",
            "examples": [{"file": "weights/camera.safetensors", "sha256": "0" * 64}, "IMAGENET1K_V1", {"random": 0}],
            "additionalProperties": False,
            "properties": {
                "file": given_weights.FILE,
                "url": given_weights.URL,
                "sha256": given_weights.SHA256,
                "random": given_weights.RANDOM,
            },
        },
    },
}

OURS = {"weights": "weights", "weights_backbone": "weights", "progress": None, "quantize": "recipe"}
"""Arguments that get_model takes but that edgec decides; the key of the manifest that does so."""


def missing() -> str | None:
    """Return None: torchvision is a dependency of edgec."""
    return None


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return an unknown name, refused arguments, and weights that are not named, not there or not the right file."""
    name, given = options["name"], options.get("weights")
    architecture = architectures().get(name)
    found = [
        wrong(f"{key!r} cannot be an argument: edgec sets it", ("arguments", key))
        for key in options.get("arguments", {})
        if key in OURS
    ]
    if architecture is None:
        close = nearest(name, architectures())
        hint = f"did you mean {close!r}?" if close else "torchvision.models.list_models() names them all"
        found.append(
            wrong(f"torchvision has no architecture {name!r}", ("name",), hint=hint, code="architecture-unknown")
        )
    elif architecture.family == "detection":
        hint = "its box decoding runs operators (nms, roi_align) that ExecuTorch has no kernels for; decode on the device"
        message = f"torchvision's detection model {name!r} cannot be lowered"
        found.append(wrong(message, ("name",), hint=hint, code="architecture-unsupported"))
    if isinstance(given, Mapping):
        return found + given_weights.check(given, project, ("file", "url", "random"))
    if not isinstance(given, str):
        hint = "{file, sha256}, {url, sha256}, a name such as DEFAULT, or {random: SEED} for trials"
        return [*found, wrong("the model has no weights", ("weights",), hint=hint)]
    return found + (_enum_problems(name, architecture, given) if architecture else [])


def files(options: Options, project: Project) -> list[Path]:
    """Return the weights' file, where the manifest names one."""
    given = options.get("weights")
    return [given_weights.path(given, project)] if isinstance(given, Mapping) and "file" in given else []


def trust(options: Options) -> str | None:
    """Return None: torchvision is a dependency, and weights cannot run code."""
    return None


def trust_digest(options: Options, project: Project) -> str:
    """Return an empty string: there is nothing to trust."""
    return ""


def load(options: Options, project: Project) -> torch.nn.Module:
    """Return the model, float32 and in evaluation mode.

    Raises Failure ``model-not-loaded``, ``digest-mismatch``, ``download-failed``, ``offline``, or what ``check`` finds.
    """
    if problems := check(options, project):
        raise Failure(*problems)
    name, arguments, given = options["name"], dict(options.get("arguments", {})), options["weights"]
    if isinstance(given, str):
        model = _with_enum(name, arguments, given, project)
    elif "random" in given:
        model = draw_zeros(seeded(given["random"], lambda: _built(name, arguments)), given["random"])
    else:
        model = _built(name, arguments)
        weights.load_strictly(model, given_weights.state_dict(given, project), given.get("file") or given["url"])
    return model.float().eval()


def weights_digest(options: Options, project: Project) -> str:
    """Return the full sha256 of the weights' file, "" for random weights; ``load`` has fetched enum weights."""
    given = options["weights"]
    if isinstance(given, str):
        return sha256_of(_fetched(options["name"], given, project))
    return str(given.get("sha256", ""))


def _enum_problems(name: str, architecture: Architecture, given: str) -> list[Diagnostic]:
    if architecture.member(given):
        return []
    allowed = [*architecture.weights, *(["DEFAULT"] if architecture.default else [])]
    if not allowed:
        return [
            wrong(f"torchvision has no weights for {name}", ("weights",), hint="give {file, sha256} or {url, sha256}")
        ]
    close = nearest(given.rpartition(".")[2], allowed)
    known = ", ".join(allowed)
    hint = f"did you mean {close!r}? (known: {known})" if close else f"known: {known}"
    return [wrong(f"{name} has no weights {given!r} in torchvision", ("weights",), hint=hint)]


def _built(name: str, arguments: dict[str, Any], enum: Any = None) -> torch.nn.Module:
    """Call get_model, turning what its constructor says of the arguments into a Failure."""
    import inspect

    from edgec.upstream.torchvision_ops import import_torchvision

    models = import_torchvision().models
    parameters = inspect.signature(models.get_model_builder(name)).parameters
    if enum is None and "weights_backbone" in parameters:
        arguments = {**arguments, "weights_backbone": None}  # the default would fetch a backbone
    try:
        model: torch.nn.Module = models.get_model(name, weights=enum, **arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError, IndexError, KeyError) as error:
        if exhausted(error):
            raise
        listed = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no arguments"
        raise weights.refused(f"torchvision cannot build {name} with {listed}: {first_line(error)}") from None
    return model


def _with_enum(name: str, arguments: dict[str, Any], given: str, project: Project) -> torch.nn.Module:
    """Let torchvision build and fill the model as it does for its own weights, but with bytes that edgec fetched."""
    from edgec.upstream.torchvision_ops import import_torchvision, serving

    member = architectures()[name].member(given)
    assert member is not None  # check() saw to it
    path = _fetched(name, given, project)
    url = architectures()[name].weights[member]
    state = weights.state_dict(path, _prefix(url), url)
    enum = import_torchvision().models.get_model_weights(name)[member]
    with serving(url, state):
        return _built(name, arguments, enum)


def _fetched(name: str, given: str, project: Project) -> Path:
    from edgec.store import fetch  # brings http and TLS, which `validate` never needs

    architecture = architectures()[name]
    member = architecture.member(given)
    assert member is not None  # check() saw to it
    url = architecture.weights[member]
    return fetch.fetch(url, _prefix(url), cache.default_folder(), offline=project.offline)


def _prefix(url: str) -> str:
    """Return the beginning of the sha256 that torchvision puts into its files' names; every weight of 0.28 has one."""
    found = re.search(r"[-_]([0-9a-f]{8,64})\.pth$", url)
    assert found is not None, url  # a test checks the whole table
    return found.group(1)
