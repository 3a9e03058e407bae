"""What the coverage sweep builds: its recipes, and its models with the smallest picture that each accepts and its parameters.

Run as a script it prints them as JSON; it builds every model on torch's meta device, which holds shapes and no numbers.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from edgec.sources.torchvision_table import architectures

RECIPES = ("fp32", "fp16", "int8", "int8-dynamic")
SIZES = (32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 299)
FAMILIES = ("", "segmentation")
TIMM = (
    "resnet10t",
    "lcnet_050",
    "mobilenetv3_small_050",
    "tinynet_e",
    "ghostnet_100",
    "mobileone_s0",
    "repvgg_a0",
    "convnext_atto",
    "edgenext_xx_small",
    "deit_tiny_patch16_224",
)
"""A residual network, five mobile ones, two that are branched for training, and three with attention or layer norm."""


def names() -> list[tuple[str, str]]:
    """Return (source, name) of every model of the sweep."""
    vision = [("torchvision", name) for name, row in architectures().items() if row.family in FAMILIES]
    return vision + [("timm", name) for name in TIMM]


def arguments(source: str, name: str, size: int) -> dict[str, Any]:
    """Return the constructor's arguments that tell a model the size of its pictures, where it must be told."""
    if source == "timm":
        return {"img_size": size} if name.startswith(("deit", "vit")) else {}
    if name.startswith("vit"):
        return {"image_size": size}
    return {"input_size": [size, size]} if name.startswith("maxvit") else {}


def probed(source: str, name: str) -> dict[str, Any]:
    """Return the row of one model: the first of SIZES that its forward takes, and its number of parameters."""
    import torch

    reason = ""
    for size in SIZES:
        given = arguments(source, name, size)
        try:
            model = weightless(source, name, given)
            with torch.no_grad():
                model(torch.empty(2, 3, size, size, device="meta"))
        # A size that does not fit shows as whatever the model's own code raises.
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            continue
        parameters = sum(parameter.numel() for parameter in model.parameters())
        row = {"source": source, "name": name, "size": size, "arguments": given, "parameters": parameters}
        return {**row, "attention": attends(model)}
    raise SystemExit(f"{name} takes no size of {SIZES}: {reason}")


def weightless(source: str, name: str, given: dict[str, Any]) -> Any:
    """Return the model on the meta device."""
    import torch

    try:
        with torch.device("meta"):
            return built(source, name, given).eval()
    except NotImplementedError:  # RegNet computes its widths with tensors
        return built(source, name, given).eval().to("meta")


def attends(model: Any) -> bool:
    """Return whether most weights lie in linear layers of blocks with attention: those want dynamic ranges."""
    import torch

    kinds = {type(module).__name__.lower() for module in model.modules()}
    linear = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))
    return any("attention" in kind for kind in kinds) and 2 * linear > sum(p.numel() for p in model.parameters())


def built(source: str, name: str, given: dict[str, Any]) -> Any:
    """Return the untrained model, as its own library builds it."""
    from edgec.upstream.torchvision_ops import import_torchvision

    vision = import_torchvision()
    if source == "timm":
        import timm

        return timm.create_model(name, exportable=True, **given)
    backbone = {"weights_backbone": None} if architectures()[name].family == "segmentation" else {}
    return vision.models.get_model(name, weights=None, **backbone, **given)


if __name__ == "__main__":
    chosen = [(source, name) for source, name in names() if not sys.argv[1:] or name in sys.argv[1:]]
    rows = [probed(source, name) for source, name in chosen]
    print(json.dumps(sorted(rows, key=lambda row: (row["parameters"], row["name"])), indent=0))
