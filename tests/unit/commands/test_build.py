"""build: what it refuses before anything is lowered."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgec.cli import group

FULL = Path(__file__).parents[2] / "cases" / "valid" / "full"


@pytest.mark.parametrize("out", ["data/test", "data/test/no/out", "data/link/out"])
def test_bundles_are_not_written_among_samples(out: str, tmp_path: Path) -> None:
    shutil.copytree(FULL, tmp_path / "full")
    (tmp_path / "full" / "data" / "link").symlink_to("test")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(click.UsageError, match=r"evaluation data data/test of .*: bundles there would be taken for samples"):
        CliRunner().invoke(
            group,
            ["build", str(tmp_path / "full" / "manifest.yaml"), "--out", str(tmp_path / "full" / out), "--allow-code"],
            standalone_mode=False,
            catch_exceptions=False,
        )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_store_without_a_scheduler_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(*options: str) -> str:
        done = CliRunner().invoke(group, ["build", str(tmp_path / "none.yaml"), *options], standalone_mode=False)
        return str(done.exception or done.stderr)

    assert "name a scheduler" in said("--store", "/mnt/edgec")
    monkeypatch.setenv("EDGEC_STORE", "/mnt/edgec")
    assert "no-manifest" in said()
