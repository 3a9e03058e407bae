"""A program that ``torch.export.save`` wrote (``.pt2``). Loading one can run code, so it needs trust."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, first_line
from edgec.exhaustion import exhausted
from edgec.sources import given_weights
from edgec.sources.given_weights import wrong
from edgec.store import weights
from edgec.store.files import collected, located, sha256_of

if TYPE_CHECKING:
    import torch

SUMMARY = "a program saved by torch.export.save, .pt2 (needs trust)"
NEEDS: tuple[str, ...] = ()
RUNS_CODE = True
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["file", "sha256"],
    "properties": {
        "file": {
            "type": "string",
            "minLength": 1,
            "title": "File",
            "description": "The .pt2 file, relative to the manifest, exported in evaluation mode in float32.",
            "examples": ["models/net.pt2"],
        },
        "sha256": given_weights.SHA256,
    },
}


def missing() -> str | None:
    """Return None: torch loads it."""
    return None


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return a missing file, a malformed sha256, or one that is not the file's."""
    if problems := collected(lambda: _path(options, project)):
        return problems
    actual, given = sha256_of(_path(options, project)), options["sha256"]
    if not isinstance(given, str) or not re.fullmatch("[0-9a-f]{64}", given):
        message = f"{given!r} is no sha256: 64 lower-case hexadecimal digits"
        return [wrong(message, ("sha256",), hint=f"sha256: {actual}", code="entry-invalid")]
    if actual != given:
        message = f"{options['file']} has sha256 {actual}, not {given}"
        hint = "if the file is meant to have changed, put its new sha256 here"
        return [wrong(message, ("sha256",), hint=hint, code="digest-mismatch")]
    return []


def files(options: Options, project: Project) -> list[Path]:
    """Return the .pt2 file."""
    return [_path(options, project)]


def trust(options: Options) -> str | None:
    """Return the file, as the manifest names it."""
    return str(options["file"])


def trust_digest(options: Options, project: Project) -> str:
    """Return the sha256 of the only bytes that ``load`` takes: what edgec.toml names as ``sha256``."""
    return str(options["sha256"])


def load(options: Options, project: Project) -> torch.nn.Module:
    """Return the program as a module whose mode cannot change. The caller has seen to trust. Raises Failure."""
    import torch

    if problems := check(options, project):
        raise Failure(*problems)
    content = _path(options, project).read_bytes()
    weights.verify(content, options["sha256"], options["file"])
    try:
        program = torch.export.load(io.BytesIO(content))
    except Exception as error:  # whatever a broken or foreign file trips in the reader
        if exhausted(error):
            raise
        reason = first_line(error)
        raise weights.refused(f"{options['file']} is not a program that this torch can load: {reason}") from error
    return _fixed(program.module(check_guards=False))


def weights_digest(options: Options, project: Project) -> str:
    """Return the file's sha256: it holds the weights too."""
    return str(options["sha256"])


def _fixed(program: Any) -> torch.nn.Module:
    """The program's own ``train`` and ``eval`` raise, because its mode was fixed at export; here they do nothing."""
    import torch

    class Exported(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.program = program

        def forward(self, *inputs: torch.Tensor) -> Any:
            return self.program(*inputs)

        def train(self, mode: bool = True) -> Exported:
            return self

    return Exported()


def _path(options: Options, project: Project) -> Path:
    return located(project, str(options["file"]), ("file",), code="entry-invalid")
