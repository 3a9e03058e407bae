"""Templates are compiled once, as Python compiles modules, and never taken for those of another environment."""

import sys
from pathlib import Path

import pytest

from edgec.kinds import printing


def shout(value):
    return str(value).upper()


def whisper(value):
    return str(value).lower()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where compiled templates go; ``templates/kind/page.j2`` is one."""
    (tmp_path / "templates" / "kind").mkdir(parents=True)
    (tmp_path / "templates" / "kind" / "page.j2").write_text("{{ 'Word' }} {{ word }}")
    monkeypatch.setattr(printing, "resource", tmp_path.joinpath)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "compiled"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path


def page(word="Other", **options):
    printing.environment.cache_clear()
    return printing.environment("kind", **options).get_template("page.j2").render(word=word)


def kept(place):
    return sorted(path for path in (place / "compiled").rglob("*.jinja"))


def test_the_second_time_nothing_is_compiled(place, monkeypatch):
    from jinja2 import Environment

    assert page() == "Word Other" and len(kept(place)) == 1
    monkeypatch.setattr(Environment, "compile", lambda *given, **more: pytest.fail("compiled again"))
    assert page("else") == "Word else"


def test_what_makes_values_harmless_is_part_of_what_is_kept(place):
    assert [page(finalize=shout), page(finalize=whisper), page(finalize=shout)] == ["WORD OTHER", "word other", "WORD OTHER"]


def test_another_edgec_compiles_anew(place, monkeypatch):
    assert page(finalize=shout) == "WORD OTHER"
    monkeypatch.setattr(printing, "source_digest", lambda: "another")
    monkeypatch.setattr(sys.modules[__name__], "shout", whisper)
    monkeypatch.setattr(whisper, "__qualname__", "shout")
    assert page(finalize=shout) == "word other"


@pytest.mark.parametrize("content", [b"", b"j2", b"\xff" * 200])
def test_a_damaged_file_is_compiled_anew(place, content):
    page()
    (compiled,) = kept(place)
    compiled.write_bytes(compiled.read_bytes()[:20] + content)
    assert page() == "Word Other"


def test_a_place_that_cannot_be_written_and_python_s_own_switch_keep_nothing(place, monkeypatch):
    (place / "compiled").write_text("a file")
    assert page() == "Word Other"
    (place / "compiled").unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert page() == "Word Other" and not kept(place)


def test_by_default_they_lie_beside_the_module_s_own_bytecode():
    folder = Path(printing._bytecode("kind", None, False).directory)
    assert sys.pycache_prefix or folder == Path(printing.__file__).parent / "__pycache__"
