"""Compiled templates: taken where nothing that they were made from has changed, and never otherwise."""

import sys
from pathlib import Path

import jinja2
import pytest

from edgec.kinds import compiled as module
from edgec.kinds.compiled import compiled

PAGE = "page.j2"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / PAGE).write_text("{{ greeting }}, {{ 'you' | loud }}\n")
    return tmp_path


@pytest.fixture
def times(monkeypatch):
    """How often a template was compiled."""
    found = []
    compile_ = jinja2.Environment.compile

    def counted(self, *arguments, **options):
        found.append(1)
        return compile_(self, *arguments, **options)

    monkeypatch.setattr(jinja2.Environment, "compile", counted)
    return found


def printed(place: Path, options: str = "", loud=str.upper) -> str:
    """Print the page as a new process would."""
    loader = jinja2.FileSystemLoader(place / "templates")
    made = jinja2.Environment(loader=loader, bytecode_cache=compiled(options, place / "kept"))
    made.filters["loud"] = loud
    return made.get_template(PAGE).render(greeting="Hello")


def test_the_second_process_compiles_nothing(place, times):
    assert printed(place) == printed(place) == "Hello, YOU"
    assert len(times) == 1
    assert [path.suffix for path in (place / "kept").iterdir()] == [".pyc"]


def test_another_text_is_compiled_again_in_the_place_of_the_old(place, times):
    printed(place)
    (place / "templates" / PAGE).write_text("Bye, {{ 'you' | loud }}")
    assert printed(place) == "Bye, YOU"
    assert len(times) == 2 and len(list((place / "kept").iterdir())) == 1


def test_another_edgec_whose_filters_may_say_something_else_compiles_again(place, times, monkeypatch):
    printed(place)
    monkeypatch.setattr(module, "source_digest", lambda: "another")
    assert printed(place, loud=str.title) == "Hello, You"
    assert len(times) == 2


def test_another_jinja_compiles_again(place, times, monkeypatch):
    printed(place)
    monkeypatch.setattr(jinja2, "__version__", "99")
    printed(place)
    assert len(times) == 2


def test_other_options_of_the_environment_have_their_own(place, times):
    assert printed(place, "one") == "Hello, YOU"
    assert printed(place, "two", str.title) == "Hello, You"
    assert (printed(place, "one"), printed(place, "two", str.title)) == ("Hello, YOU", "Hello, You")
    assert len(times) == 2


@pytest.mark.parametrize("damage", [b"", b"j2", b"\0" * 200])
def test_a_damaged_file_is_made_anew(place, times, damage):
    printed(place)
    (kept,) = (place / "kept").iterdir()
    whole = kept.read_bytes()
    for text in (damage, whole[:-40], whole[:40], whole[:12] + bytes(len(whole) - 12)):
        kept.write_bytes(text)
        assert printed(place) == "Hello, YOU"
    assert len(times) == 5 and kept.read_bytes() == whole


def test_whoever_may_read_the_package_may_read_them(place):
    printed(place)
    (kept,) = (place / "kept").iterdir()
    assert kept.stat().st_mode == Path(compiled.__code__.co_filename).stat().st_mode


def test_where_nothing_can_be_written_it_prints_all_the_same(place, times):
    (place / "kept").write_text("no folder")
    assert printed(place) == printed(place) == "Hello, YOU"
    assert len(times) == 2


def test_where_python_writes_no_bytecode_neither_does_it(place, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert printed(place) == "Hello, YOU"
    assert not (place / "kept").exists()


def test_a_file_that_may_not_be_read_is_passed_over(place, times):
    printed(place)
    (kept,) = (place / "kept").iterdir()
    kept.unlink()
    kept.mkdir()
    (kept / "x").symlink_to("nowhere")
    assert printed(place) == "Hello, YOU"
    assert len(times) == 2
