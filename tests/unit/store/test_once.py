"""A record is made once of the same parts, and again when anything that it is made of, or made by, is another."""

import pytest

from edgec.store import once as stage
from edgec.store.cache import Cache
from edgec.store.once import once


@pytest.fixture
def made():
    return []


def ask(cache, made, parts, found=(1, 2)):
    return once(cache, "kind", parts, lambda: made.append(parts) or {"found": found})


def test_the_second_time_it_is_read_and_both_times_it_is_the_same(tmp_path, made):
    cache = Cache(folder=tmp_path)
    assert ask(cache, made, {"a": 1}) == ask(cache, made, {"a": 1}) == {"found": [1, 2]}
    assert made == [{"a": 1}]


@pytest.mark.parametrize(("name", "other"), [("source_digest", lambda: "other"), ("installed", lambda: {"numpy": "9"})])
def test_other_parts_another_edgec_and_other_packages_make_it_anew(tmp_path, made, monkeypatch, name, other):
    cache = Cache(folder=tmp_path)
    ask(cache, made, {"a": 1})
    ask(cache, made, {"a": 2})
    monkeypatch.setattr(stage, name, other)
    ask(cache, made, {"a": 1})
    assert made == [{"a": 1}, {"a": 2}, {"a": 1}]


def test_a_damaged_record_is_made_anew(tmp_path, made):
    cache = Cache(folder=tmp_path)
    ask(cache, made, {"a": 1})
    (record,) = tmp_path.rglob("record.json")
    record.write_text('{"found": 3}')
    assert ask(cache, made, {"a": 1}) == {"found": [1, 2]} and len(made) == 2


def test_what_fails_is_not_kept_and_without_a_cache_nothing_is(tmp_path, made):
    cache = Cache(folder=tmp_path)
    with pytest.raises(ZeroDivisionError):
        once(cache, "kind", {"a": 1}, lambda: 1 / 0)
    ask(cache, made, {"a": 1})
    ask(None, made, {"a": 1})
    assert len(made) == 2
