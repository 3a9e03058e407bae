"""What the model gives and the artifact lacks is told, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bundle_parts import lowered, plan
from edgec.stages.omitted import omissions


def test_what_is_no_tensor_is_a_note(tmp_path: Path) -> None:
    artifact = lowered(tmp_path)
    assert omissions(plan(), artifact) == ()
    (found,) = omissions(plan(), replace(artifact, resolved={"left out": "output1 (float)"}))
    assert (found.code, found.severity) == ("output-left-out", "note")
    assert "output1 (float)" in found.message
