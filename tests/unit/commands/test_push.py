"""`edgec push`: what can be no place in a registry is refused before the registry is asked anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgec.cli import group
from edgec.store import packing
from edgec.store.packing import Release
from edgec.store.transport import Session

LONG = f"1.0.0-{'a' * 123}"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("registry.example/camera", f"the version {LONG!r} (129 characters) makes no tag"),
        (f"registry.example/camera:{'1' * 129}", "is not a tag"),
        ("registry.example/camera:.1", "is not a tag"),
        (f"registry.example/{'c' * 256}:1", "host and repository have 273 characters"),
        ("registry.example/Camera:1", "'Camera' is not a repository"),
        ("registry.example:99999/camera:1", "is not a host, or host:port"),
    ],
)
def test_what_can_be_no_place_is_refused_unasked(
    reference: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def packed(*_: object) -> Iterator[Release]:
        yield Release(name="camera", version=LONG, bundles=(), index=b"{}")

    asked: list[object] = []
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packing, "packed", packed)
    monkeypatch.setattr(Session, "ask", lambda *given: asked.append(given))
    done = CliRunner().invoke(group, ["push", "bundle", f"oci://{reference}", "--output", "json"], standalone_mode=False)
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (done.return_value, found["code"], asked) == (2, "reference-invalid", [])
    assert said in found["message"] and found["hint"]
