"""Templates are compiled once for a cache, and never taken for those of another environment."""

import pytest

from edgec.kinds import printing
from edgec.store.cache import Cache


def shout(value):
    return str(value).upper()


def whisper(value):
    return str(value).lower()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where ``templates/kind/page.j2`` is a template, and ``cache`` the cache."""
    (tmp_path / "templates" / "kind").mkdir(parents=True)
    (tmp_path / "templates" / "kind" / "page.j2").write_text("{{ 'Word' }} {{ word }}")
    monkeypatch.setattr(printing, "resource", tmp_path.joinpath)
    return tmp_path


def page(place, word="Other", **options):
    """Print the template as another process would, with nothing of it in memory."""
    printing.environment.cache_clear()
    with printing.compiled_in(Cache(folder=place / "cache")):
        return printing.environment("kind", **options).get_template("page.j2").render(word=word)


def kept(place):
    return sorted((place / "cache").glob("template/*/bytecode"))


def test_the_second_time_nothing_is_compiled(place, monkeypatch):
    from jinja2 import Environment

    assert page(place) == "Word Other" and len(kept(place)) == 1
    monkeypatch.setattr(Environment, "compile", lambda *given, **more: pytest.fail("compiled again"))
    assert page(place, "else") == "Word else"


def test_what_makes_values_harmless_is_part_of_what_is_kept(place):
    found = [page(place, finalize=finalize) for finalize in (shout, whisper, shout)]
    assert found == ["WORD OTHER", "word other", "WORD OTHER"] and len(kept(place)) == 2


def test_another_edgec_and_another_template_are_compiled_anew(place, monkeypatch):
    page(place)
    monkeypatch.setattr(printing, "source_digest", lambda: "another")
    page(place)
    (place / "templates" / "kind" / "page.j2").write_text("{{ word }}")
    assert page(place) == "Other" and len(kept(place)) == 3


def test_one_damaged_byte_is_enough_to_compile_anew(place):
    page(place)
    (compiled,) = kept(place)
    content = compiled.read_bytes()
    for position in range(0, len(content), 7):
        compiled.write_bytes(content[:position] + bytes([content[position] ^ 0x20]) + content[position + 1 :])
        assert page(place) == "Word Other"
        assert compiled.read_bytes() == content


def test_without_a_cache_nothing_is_kept(place):
    printing.environment.cache_clear()
    with printing.compiled_in(None):
        assert printing.environment("kind").get_template("page.j2").render(word="a") == "Word a"
    assert not kept(place)
