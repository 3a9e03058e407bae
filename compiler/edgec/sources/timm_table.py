"""timm's architectures and where their pretrained weights lie, as data: a manifest is checked without importing timm.

``python -m edgec.sources.timm_table`` writes the table anew from the installed timm; a test compares it.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path

from edgec.artifacts.document import Json

TABLE = Path(__file__).with_name("timm_table.json")
FILE = "model.safetensors"


@functools.cache
def architectures() -> Mapping[str, Mapping[str, str]]:
    """Return, by architecture, its tags and where each one's weights lie, the default tag first.

    A place is an https URL, a repository of the Hugging Face hub, or "" for the repository ``timm/ARCHITECTURE.TAG``.
    """
    found: Mapping[str, Mapping[str, str]] = json.loads(TABLE.read_text(encoding="utf-8"))["architectures"]
    return found


def address(name: str, tag: str) -> str:
    """Return the URL of a tag's weights; ``HF_ENDPOINT`` names another hub. The tag must be in the table."""
    place = architectures()[name][tag]
    if place.startswith("https://"):
        return place
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{place or f'timm/{name}.{tag}'}/resolve/main/{FILE}"


def installed() -> Json:
    """Return the table's content as the installed timm has it; tags whose weights are no state dict are left out."""
    from edgec.upstream.torchvision_ops import import_torchvision

    import_torchvision()
    import timm
    from timm.models import get_arch_pretrained_cfgs

    rows = {}
    for name in timm.list_models():
        found = get_arch_pretrained_cfgs(name)
        rows[name] = {key.partition(".")[2]: _place(key, cfg) for key, cfg in found.items() if _usable(cfg)}
    return {"timm": timm.__version__, "architectures": rows}


def _usable(cfg: Json) -> bool:
    return bool(cfg.hf_hub_id or str(cfg.url).startswith("https://")) and not (cfg.custom_load or cfg.hf_hub_filename)


def _place(key: str, cfg: Json) -> str:
    if not cfg.hf_hub_id:
        return str(cfg.url)
    return "" if cfg.hf_hub_id == f"timm/{key}" else str(cfg.hf_hub_id)


def table_text() -> str:
    """Return the text of the table: one architecture a line."""
    found = installed()
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(tags)}" for name, tags in found["architectures"].items())
    return f'{{"timm": {json.dumps(found["timm"])}, "architectures": {{\n{rows}\n}}}}\n'


if __name__ == "__main__":
    TABLE.write_text(table_text(), encoding="utf-8")
