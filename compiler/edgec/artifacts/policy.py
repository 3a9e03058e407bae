"""What a project or a device trusts: code, keys, the least evidence, and whether versions may go down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy file (docs/trust.md) as it was read; without one, every field says that nothing is asked.

    ``allow`` holds (entry, sha256) of code that may run. ``keys`` are PEM files of public keys, of which ``needed`` must
    have signed a bundle; no key means that no signature is asked for. ``evidence`` maps a budget's kind to the weakest
    evidence that may meet it.
    """

    file: Path | None = None
    allow: tuple[tuple[str, str], ...] = ()
    keys: tuple[Path, ...] = ()
    needed: int = 1
    evidence: Mapping[str, str] = field(default_factory=dict)
    downgrade: bool = True
