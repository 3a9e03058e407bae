"""torchvision's architectures and their weights as data, so that a manifest is checked without importing torch.

``python -m edgec.sources.torchvision_table`` writes the table anew from the installed torchvision; a test compares it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.document import Json

TABLE = Path(__file__).with_name("torchvision_table.json")


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One name of ``torchvision.models.get_model``: its weights' enum class, URL by member, and the DEFAULT member.

    ``family`` is the module below ``torchvision.models`` that it comes from (``detection``, ``segmentation`` …), "" for none.
    """

    family: str
    enum: str
    default: str | None
    weights: Mapping[str, str]

    def member(self, text: str) -> str | None:
        """Return the member that ``MEMBER``, ``DEFAULT`` or ``Enum_Weights.MEMBER`` names, or None."""
        enum, _, name = text.rpartition(".")
        if enum not in ("", self.enum):
            return None
        if name == "DEFAULT":
            return self.default
        return name if name in self.weights else None


@functools.cache
def architectures() -> Mapping[str, Architecture]:
    """Return every architecture by name, as committed."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Architecture(**row) for name, row in table["architectures"].items()}


def installed() -> Json:
    """Return the table's content as the installed torchvision has it."""
    from edgec.upstream.torchvision_ops import import_torchvision

    torchvision = import_torchvision()
    rows = {}
    for name in torchvision.models.list_models():
        enum = torchvision.models.get_model_weights(name)
        default = enum.DEFAULT.name if len(enum) else None
        modules = torchvision.models.get_model_builder(name).__module__.split(".")[2:-1]
        urls = {item.name: item.url for item in enum}
        rows[name] = {"family": "".join(modules), "enum": enum.__name__, "default": default, "weights": urls}
    return {"torchvision": torchvision.__version__.partition("+")[0], "architectures": rows}


if __name__ == "__main__":
    TABLE.write_text(json.dumps(installed(), indent=1) + "\n", encoding="utf-8")
