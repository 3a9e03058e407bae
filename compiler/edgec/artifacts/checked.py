"""A manifest that passed the front end, with everything that later stages and renderers need of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.artifacts.document import Document
from edgec.artifacts.manifest import Manifest
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic


@dataclass(frozen=True, kw_only=True)
class Checked:
    """``warnings`` are warnings and notes, never errors; ``document`` gives their places in the text.

    ``others`` are the texts of target files, by name as messages call them.
    """

    document: Document
    manifest: Manifest
    project: Project
    warnings: tuple[Diagnostic, ...]
    others: Mapping[str, Document] = field(default_factory=dict)
