"""A registry that misbehaves on demand, and a session with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgec.store.transport import Session, connected
from stub_registry import Stub, stub_registry


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with stub_registry(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def session(stub: Stub) -> Iterator[Session]:
    with connected(stub.reference()) as opened:
        yield opened
