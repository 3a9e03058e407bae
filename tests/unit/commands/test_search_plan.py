"""`edgec plan` of a manifest with a search: a block a target for people, every candidate for programs."""

import json
from pathlib import Path

from click.testing import CliRunner

from edgec.cli import group

ROOT = Path(__file__).resolve().parents[3]
CAMERA = str(ROOT / "manifests" / "camera-search.yaml")
LABELS = ["int8 on xnnpack", "int8 (per_channel: false) on xnnpack", "fp16 on xnnpack", "fp32 on xnnpack"]


def planned(*options, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path))
    result = CliRunner().invoke(group, ["plan", CAMERA, *options], standalone_mode=False)
    assert result.exception is None, result.exception
    return result.stdout


def test_people_see_a_block_a_target_with_its_candidates(tmp_path, monkeypatch):
    blocks = planned(tmp_path=tmp_path, monkeypatch=monkeypatch).split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [
        "camera-search 1.0.0 for jetson-nano",
        "camera-search 1.0.0 for linux-x86_64",
    ]
    for block in blocks:
        rows = [line.split("  ")[1] for line in block.splitlines() if line.startswith("  ")]
        assert [row for row in rows if row in LABELS] == LABELS
        assert "the least latency of 4 candidates, tried in this order, none is started after 1200 s" in block
        assert block.count("unknown until first build") == 4


def test_programs_get_every_candidate(tmp_path, monkeypatch):
    plans = json.loads(planned("--output", "json", tmp_path=tmp_path, monkeypatch=monkeypatch))["plans"]
    assert len(plans) == 8
    assert {plan["search"]["objective"] for plan in plans} == {"latency"}
    keys = [plan["lowering_key"] for plan in plans]
    assert len(set(keys)) == 4 and keys[:4] == keys[4:]
