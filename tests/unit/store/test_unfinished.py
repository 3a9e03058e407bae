"""What a killed search found is taken up by the same search, and by nothing else."""

import json

import pytest

from edgec.store import unfinished
from edgec.store.cache import Cache
from edgec.store.unfinished import Unfinished


@pytest.fixture
def kept(tmp_path):
    found = Unfinished(cache=Cache(folder=tmp_path), run="this search")
    found.keep("clocks", {"p50": 0.002})
    return found


def test_what_was_kept_is_there_until_it_is_forgotten(kept):
    assert kept.kept("clocks") == {"p50": 0.002}
    assert kept.kept("failure") is None
    kept.forget(("clocks", "failure"))
    assert kept.kept("clocks") is None
    assert not list((kept.cache.folder / unfinished.KIND).iterdir())


def test_another_search_finds_nothing(kept):
    assert Unfinished(cache=kept.cache, run="another").kept("clocks") is None


@pytest.mark.parametrize("age", [-10.0, unfinished.MAX_AGE_SECONDS + 10])
def test_an_old_clock_is_not_passed_off_as_new(kept, age, monkeypatch):
    now = unfinished.time.time()
    monkeypatch.setattr(unfinished.time, "time", lambda: now + age)
    assert kept.kept("clocks") is None


def test_a_clock_of_another_boot_is_not_taken(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "BOOT", tmp_path / "boot")
    (tmp_path / "boot").write_text("another\n")
    assert kept.kept("clocks") is None


def test_a_damaged_entry_is_nothing(kept):
    (file,) = kept.cache.folder.rglob(unfinished.FILE)
    file.write_text(json.dumps({"boot": unfinished._boot(), "time": unfinished.time.time(), "found": {"p50": 1e-9}}))
    assert kept.kept("clocks") is None
