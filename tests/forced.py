"""What a program forces to the disk before it moves anything into place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def watched(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> Callable[[], set[Path]]:
    """Return what gives the paths that were below the things ``module`` exchanged first, and not yet forced to the disk."""
    forced: set[int] = set()
    missing: set[Path] = set()
    exchanges = 0
    fsync, exchange = os.fsync, module.exchange

    def force(descriptor: int) -> None:
        fsync(descriptor)
        forced.add(os.fstat(descriptor).st_ino)

    def move(staged: Path, final: Path) -> bool:
        nonlocal exchanges
        exchanges += 1
        parts = [staged, *staged.rglob("*")]
        missing.update(path for path in parts if path.stat().st_ino not in forced)
        return bool(exchange(staged, final))

    def found() -> set[Path]:
        assert exchanges and forced, "nothing was moved, or nothing forced"
        return missing

    monkeypatch.setattr(os, "fsync", force)
    monkeypatch.setattr(module, "exchange", move)
    return found
