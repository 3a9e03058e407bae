"""A manifest is touched by whatever its build reads, and by what it would read or did; never by its neighbour."""

import shutil
from pathlib import Path

import pytest

from edgec.pipeline import front
from edgec.stages.since import touched

FULL = Path(__file__).parents[2] / "cases" / "valid" / "full"


@pytest.fixture
def checked(tmp_path):
    shutil.copytree(FULL, tmp_path / "project")
    (tmp_path / "project" / ".git").mkdir()
    return front(tmp_path / "project" / "manifest.yaml")


READ = ["manifest.yaml", "weights.safetensors", "edgec.toml", "data/test/no/1.png", "data/test/gone.png", "data/train/new.png"]


@pytest.mark.parametrize("name", READ)
def test_what_a_build_reads_touches_the_manifest(name, checked):
    assert touched(checked, {checked.project.root / name})


@pytest.mark.parametrize("name", ["README.md", "other.yaml", "data/elsewhere/1.png", "database/1.png", "net.py"])
def test_what_it_does_not_read_touches_nothing(name, checked):
    assert not touched(checked, {checked.project.root / name})
    assert not touched(checked, set())
