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


@pytest.mark.parametrize("chain", [("data",), ("data", "store/current"), ("data", "store/current", "store/newest")], ids=len)
def test_a_link_on_the_way_to_what_is_read_touches_the_manifest(chain, checked):
    """The first link leads to the second, and the last to the files; git tells of the one that was turned elsewhere."""
    root = checked.project.root
    (root / "store").mkdir()
    (root / "data").rename(root / "store" / "v1")
    for link, leads in zip(chain, (*chain[1:], "store/v1"), strict=True):
        (root / link).symlink_to(root / leads)
    again = front(root / "manifest.yaml")
    for link in chain:
        assert touched(again, {root / link})
    (root / "store" / "v2").mkdir()
    (root / "store" / "latest").symlink_to("v2")
    assert not touched(again, {root / "store" / "latest", root / "store" / "v2" / "1.png"})


def test_what_a_link_among_the_files_leads_to_touches_the_manifest(checked):
    root = checked.project.root
    (root / "kept.png").write_bytes((root / "data/test/no/1.png").read_bytes())
    (root / "data/test/no/1.png").unlink()
    (root / "data/test/no/1.png").symlink_to("../../../kept.png")
    again = front(root / "manifest.yaml")
    assert touched(again, {root / "kept.png"}) and touched(again, {root / "data/test/no/1.png"})


@pytest.mark.parametrize("name", ["data", "data/test", "data/test/no"])
def test_a_submodule_around_what_is_read_touches_the_manifest(name, checked):
    assert touched(checked, {checked.project.root / name})


def test_a_submodule_or_link_beside_it_does_not(checked):
    root = checked.project.root
    (root / "elsewhere").mkdir()
    (root / "circle").symlink_to("circle")
    assert not touched(checked, {root / "elsewhere", root / "circle", root / "gone"})


def test_a_policy_that_is_named_touches_the_manifest(checked, monkeypatch):
    root = checked.project.root
    (root / "ci").mkdir()
    (root / "ci" / "policy.toml").touch()
    (root / "link.toml").symlink_to("ci/policy.toml")
    monkeypatch.chdir(root / "ci")
    for policy in (Path("policy.toml"), Path("../link.toml")):
        assert touched(checked, {root / "ci" / "policy.toml"}, policy)
    assert touched(checked, {root / "link.toml"}, Path("../link.toml"))
    assert not touched(checked, {root / "ci" / "policy.toml"})
