"""What fetches bundles through the cache tells a collector that it uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from edgec.cli import group
from edgec.diagnostics import Diagnostic, Failure
from edgec.releases import arrive, at_hand
from edgec.store import pull
from edgec.store.housekeeping import leases

REFERENCE = "oci://registry.example/camera:1.0.0"


@pytest.mark.parametrize("command", [["pull", REFERENCE], ["diff", REFERENCE, REFERENCE]], ids=["pull", "diff"])
def test_a_lease_is_held_while_bundles_arrive(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    def arriving(*_: object) -> None:
        held.append(len(leases(tmp_path)))
        raise Failure(Diagnostic(code="no-release", message="nothing arrives"))

    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path))
    for module in (pull, at_hand):
        for name in ("resolved", "bundles", "chosen"):
            monkeypatch.setattr(module, name, lambda *_: None)
    for module in (arrive, at_hand):
        monkeypatch.setattr(module, "arrive", arriving)
    CliRunner().invoke(group, command, standalone_mode=False)
    assert (held, leases(tmp_path)) == ([1], [])
