"""Pictures on disk as samples, each decoded when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgec.artifacts.manifest import Image
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.datasets.folders import left_out
from edgec.datasets.pixels import SUFFIXES, UNREAD, pixels
from edgec.diagnostics import Diagnostic


@dataclass(frozen=True, kw_only=True)
class Pictures(Sequence[Sample]):
    """``names`` are the samples' ids; ``input`` is the image input's name; ``labels`` are class indices or None.

    A picture that cannot be read is named as its path below ``root``, the project's.
    """

    root: Path
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    labels: tuple[int | None, ...]
    input: str
    image: Image

    def __len__(self) -> int:
        return len(self.paths)

    def identities(self) -> list[tuple[str, Any]]:
        """Return each sample's id and truth; no picture is decoded."""
        return list(zip(self.names, self.labels, strict=True))

    def shown(self, index: int) -> str:
        """Return what a message calls a picture."""
        return self.paths[index].relative_to(self.root).as_posix()

    def __getitem__(self, index: Any) -> Any:
        """Return one Sample ({input: float32 [1, height, width, 3] in 0..255}), or a tuple of them for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        import numpy as np

        array = pixels(self.paths[index], self.image, self.shown(index))[np.newaxis].astype(np.float32)
        return Sample(id=self.names[index], tensors={self.input: array}, label=self.labels[index], picture=self.paths[index])


def strays(entries: Sequence[os.DirEntry[str]], project: Project, key: str = "path") -> list[Diagnostic]:
    """Name pictures below the folder at ``key`` whose names are of no format that is read."""
    why = f"pictures left out because they end in none of {', '.join(SUFFIXES)}"
    return left_out(entries, UNREAD, project, key, why, "convert them to PNG or JPEG, or rename those that are")
