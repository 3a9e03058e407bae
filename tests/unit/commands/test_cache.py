"""`edgec cache`: what is there, whether it is whole, and what goes."""

from __future__ import annotations

import json
import os
import pwd
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgec.cli import group
from edgec.store.cache import Cache

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path))
    cache = Cache(folder=tmp_path)
    for key in (ONE, TWO):
        cache.keep("lowered", key, "model.pte", b"x" * 5000)
        os.utime(tmp_path / "lowered" / key / "entry.json", (time.time() - 60,) * 2)
    return cache


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["cache", *arguments], standalone_mode=False)


def test_stat_counts_by_kind(cache: Cache) -> None:
    text = run("stat").stdout
    assert "lowered  2" in text and str(cache.folder) in text
    (row,) = json.loads(run("stat", "--output", "json").stdout)["cache"]["kinds"]
    assert (row["kind"], row["entries"]) == ("lowered", 2) and row["bytes"] > 10_000


def test_verify_names_what_is_damaged(cache: Cache) -> None:
    assert run("verify").return_value == 0
    (cache.folder / "lowered" / TWO / "model.pte").write_bytes(b"y")
    done = run("verify")
    assert done.return_value == 7
    assert "[cache-damaged]" in done.stderr and f"lowered/{TWO}" in done.stderr and f"lowered/{ONE}" not in done.stderr


def test_an_index_that_is_a_folder_is_damage(cache: Cache) -> None:
    index = cache.folder / "lowered" / ONE / "entry.json"
    index.unlink()
    index.mkdir()
    done = run("verify")
    assert done.return_value == 7 and f"lowered/{ONE} is damaged" in done.stderr
    assert cache.read("lowered", ONE) is None and not index.exists()


@pytest.mark.parametrize("action", [["stat"], ["verify"], ["gc", "--max-size", "0"]])
@pytest.mark.parametrize("place", ["file", "file/below", "circle", "x" * 300])
def test_what_can_be_no_folder_is_refused(
    place: str, action: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("of the user")
    (tmp_path / "circle").symlink_to("circle")
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / place))
    done = run(*action, "--output", "json")
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (done.return_value, found["code"]) == (8, "not-writable")
    assert str(tmp_path / place) in found["message"] and "EDGEC_CACHE" in found["hint"]
    assert (tmp_path / "file").read_text() == "of the user"


def test_a_user_without_a_home_is_told_of_edgec_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGEC_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    done = run("stat", "--output", "json")
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (done.return_value, found["code"]) == (8, "not-writable")
    assert "HOME is not set" in found["message"] and "EDGEC_CACHE" in found["hint"]


def test_gc_keeps_the_size(cache: Cache) -> None:
    assert "would be removed" in run("gc", "--max-size", "6kB", "--dry-run").stdout
    assert len(list((cache.folder / "lowered").iterdir())) == 2
    assert json.loads(run("gc", "--max-size", "6kB", "--output", "json").stdout)["cache"]["removed"][0]["key"] == ONE
    assert run("gc", "--max-size", "0").stdout.startswith("1 entries removed")


@pytest.mark.parametrize(
    "arguments", [["gc"], ["gc", "--max-size", "lots"], ["stat", "--max-size", "1GB"], ["verify", "--dry-run"], ["clean"]]
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str], cache: Cache) -> None:
    failed = run(*arguments)
    assert failed.exception is not None and "UsageError" in repr(type(failed.exception).__mro__)
