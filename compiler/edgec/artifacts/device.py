"""One entry of a manifest's ``targets`` with what its target files say filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.artifacts.document import Json
from edgec.diagnostics import Location


@dataclass(frozen=True, kw_only=True)
class Device:
    """``data`` is the entry as if all of it were written in the manifest.

    ``places`` says of each key that a file gave where it stands; ``files`` are these files, relative to the root.
    """

    data: Json
    places: Mapping[str, Location] = field(default_factory=dict)
    files: tuple[str, ...] = ()
