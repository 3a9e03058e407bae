"""Any architecture of timm (``timm.create_model``), with weights from a file, a URL, one of timm's tags, or a seed."""

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
from edgec.runtime.extras import missing_extra
from edgec.sources import given_weights
from edgec.sources.given_weights import wrong
from edgec.sources.timm_table import address, architectures
from edgec.sources.untrained import draw_zeros, seeded
from edgec.store import cache, weights

if TYPE_CHECKING:
    import torch

SUMMARY = "an architecture of timm, by name (edgec[timm])"
NEEDS: tuple[str, ...] = ("timm",)
RUNS_CODE = False
KINDS = ("file", "url", "random")
TAKEN = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "exportable", "scriptable")
"""Arguments of create_model that would load something that edgec has not hashed, or that edgec gives itself."""
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "weights"],
    "properties": {
        "name": {
            "type": "string",
            "title": "Architecture",
            "description": "Any name that timm.list_models() gives.",
            "examples": ["mobilenetv3_small_100", "resnet18", "efficientnet_lite0", "deit_tiny_patch16_224"],
        },
        "arguments": {
            "type": "object",
            "title": "Arguments",
            "description": "Keyword arguments of timm.create_model; num_classes: 0 gives the embedding before the classifier.",
            "default": {},
            "examples": [{"num_classes": 10, "in_chans": 3}],
        },
        "weights": {
            "type": "object",
            "title": "Weights",
            "description": "{file, sha256}, {url, sha256}, {pretrained: TAG, sha256} for timm's own, or {random: SEED} "
            "for trials.",
            "examples": [{"file": "weights/camera.safetensors", "sha256": "0" * 64}, {"random": 0}],
            "additionalProperties": False,
            "properties": {
                "file": given_weights.FILE,
                "url": given_weights.URL,
                "pretrained": {
                    "type": "string",
                    "minLength": 1,
                    "title": "Tag",
                    "description": "A tag of timm's weights, such as a1_in1k in resnet18.a1_in1k; fetched by sha256.",
                    "examples": ["a1_in1k"],
                },
                "sha256": given_weights.SHA256,
                "random": given_weights.RANDOM,
            },
        },
    },
}


def missing() -> str | None:
    """Return how to install timm, or None where it is here; imports nothing."""
    return missing_extra(NEEDS, "timm")


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return an unknown architecture or tag (from the committed table), arguments that edgec gives, and wrong weights."""
    name, given = str(options["name"]), options["weights"]
    found = [
        wrong(f"{argument!r} is not an argument to give here", ("arguments", argument), hint="weights stand under `weights`")
        for argument in TAKEN
        if argument in options.get("arguments", {})
    ]
    if name not in architectures():
        close = nearest(name, architectures())
        hint = (
            f"did you mean {close!r}?" if close else "timm.list_models() lists all; a tag such as `.a1_in1k` goes under weights"
        )
        return [*found, wrong(f"timm has no architecture {name!r}", ("name",), hint=hint, code="architecture-unknown")]
    if "pretrained" in given:
        return found + _tag_problems(name, given)
    return found + given_weights.check(given, project, KINDS)


def files(options: Options, project: Project) -> list[Path]:
    """Return the weights' file, where the manifest names one."""
    given = options["weights"]
    return [given_weights.path(given, project)] if "file" in given else []


def trust(options: Options) -> str | None:
    """Return None: timm is a package that the user installed, and weights cannot run code."""
    return None


def trust_digest(options: Options, project: Project) -> str:
    """Return an empty string: there is nothing to trust."""
    return ""


def load(options: Options, project: Project) -> torch.nn.Module:
    """Return the model, float32 and in evaluation mode.

    Raises Failure ``tool-missing``, ``model-not-loaded``, ``digest-mismatch``, ``download-failed``, ``offline``, or what
    ``check`` finds.
    """
    if absent := missing():
        raise Failure(Diagnostic(code="tool-missing", message=absent))
    if problems := check(options, project):
        raise Failure(*problems)
    name, arguments, given = str(options["name"]), dict(options.get("arguments", {})), options["weights"]
    if "pretrained" in given:
        model = _with_tag(name, arguments, given, project)
    else:
        seed = given.get("random", 0)
        model = seeded(seed, lambda: _built(name, arguments))
        if "random" in given:
            draw_zeros(model, seed)
        else:
            weights.load_strictly(model, given_weights.state_dict(given, project), given.get("file") or given["url"])
    return model.float().eval()


def weights_digest(options: Options, project: Project) -> str:
    """Return the full sha256 of the weights' file, "" for random weights."""
    return str(options["weights"].get("sha256", ""))


def _tag_problems(name: str, given: Mapping[str, Any]) -> list[Diagnostic]:
    if extra := [kind for kind in KINDS if kind in given]:
        return [wrong(f"weights are either `pretrained` or {extra[0]!r}", ("weights",))]
    tag, tags = str(given["pretrained"]), list(architectures()[name])
    if tag not in tags:
        close = nearest(tag, tags)
        hint = f"did you mean {close!r}?" if close else f"tags with weights: {', '.join(tags) or 'none'}"
        return [wrong(f"timm has no weights {tag!r} for {name}", ("weights", "pretrained"), hint=hint)]
    if not re.fullmatch("[0-9a-f]{64}", str(given.get("sha256", ""))):
        message = f"the weights {name}.{tag} need their sha256: 64 lower-case hexadecimal digits"
        return [wrong(message, ("weights",), hint=f"`sha256sum` of {address(name, tag)} prints it")]
    return []


def _with_tag(name: str, arguments: dict[str, Any], given: Mapping[str, Any], project: Project) -> torch.nn.Module:
    """Let timm adapt and load its own weights (input channels, renamed layers), but from bytes that edgec fetched."""
    from edgec.store import fetch  # brings http and TLS, which `validate` never needs
    from edgec.upstream.torchvision_ops import import_torchvision

    import_torchvision()
    from timm.models import get_pretrained_cfg

    tag = str(given["pretrained"])
    url = address(name, tag)
    config = get_pretrained_cfg(f"{name}.{tag}", allow_unregistered=False)
    own = config.num_classes if config else None
    if arguments.get("num_classes", own) not in (0, own):
        message = f"the weights {name}.{tag} are for {own} classes: with {arguments['num_classes']} the classifier is untrained"
        raise weights.refused(message, f"give num_classes: {own}, or 0 for the embedding before the classifier")
    path = fetch.fetch(url, given["sha256"], cache.default_folder(), offline=project.offline)
    overlay = {"state_dict": weights.state_dict(path, given["sha256"], url), "url": "", "hf_hub_id": None, "file": None}
    return _built(name, {**arguments, "pretrained": True, "pretrained_cfg": tag, "pretrained_cfg_overlay": overlay})


def _built(name: str, arguments: dict[str, Any]) -> torch.nn.Module:
    """Call create_model, turning what a constructor says of its arguments into a Failure."""
    from edgec.upstream.torchvision_ops import import_torchvision

    import_torchvision()
    import timm

    try:
        # exportable: no scripted activations and no fused attention, which torch.export takes apart again anyway.
        model: torch.nn.Module = timm.create_model(name, exportable=True, **arguments)
    # Constructors of thousands of architectures raise what they like about arguments that they do not take.
    except Exception as error:
        if exhausted(error):
            raise
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if not key.startswith("pretrained"))
        raise weights.refused(f"timm cannot build {name} with {shown or 'no arguments'}: {first_line(error)}") from None
    return model
