"""Many builds in a terminal: counts, those at work, the last that finished; elsewhere plain lines."""

import io
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from bundle_parts import plan
from edgec.commands.options import Output
from edgec.output.board import Board, Row, board


class Terminal(io.StringIO):
    def isatty(self):
        return True


def manifests(count):
    return [plan(name=f"model-{number}", manifest=f"{number}.yaml") for number in range(count)]


def shown(found, height=40):
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(found.table(height))
    return console.file.getvalue()


@pytest.fixture
def found():
    return Board(rows={item.goal: Row(name=item.name) for item in manifests(200)})


def test_the_counts_and_those_at_work_are_shown(found):
    plans = manifests(200)
    found.watch(plans[0], "quantize 2.0 s")
    found.watch(plans[1], "lowering")
    found.watch(plans[1], "built")
    found.watch(plans[2], "failed")
    text = shown(found)
    assert "2 of 200 targets finished, 1 failed, 1 at work" in text
    assert "model-0" in text and "quantize 2.0 s" in text and "model-3" not in text
    assert text.index("model-0") < text.index("model-1")


def test_a_small_terminal_is_not_overrun(found):
    for item in manifests(200):
        found.watch(item, "built")
    assert len(shown(found, height=12).splitlines()) <= 12


def test_what_has_finished_stays_so(found):
    found.watch(manifests(1)[0], "failed")
    found.watch(manifests(1)[0], "measuring")
    assert "1 failed, 0 at work" in shown(found)


def test_another_target_than_those_asked_for_is_passed_over(found):
    found.watch(plan(manifest="fp32-beside.yaml"), "lowering")
    assert "0 at work" in shown(found)


def test_a_terminal_gets_a_table_and_nothing_of_the_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with board(manifests(3), Output()) as (say, watch):
        say("load 2.0 s")
        watch(manifests(3)[0], "load 2.0 s")
        watch(manifests(3)[0], "built")
    text = sys.stderr.getvalue()
    assert "of 3 targets finished" in text


@pytest.mark.parametrize("why", ["no terminal", "dumb", "one target", "quiet"])
def test_elsewhere_lines_are_printed(why, monkeypatch):
    stream = io.StringIO() if why == "no terminal" else Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "dumb" if why == "dumb" else "xterm")
    plans = [replace(manifests(1)[0])] if why == "one target" else manifests(3)
    with board(plans, Output(quiet=why == "quiet")) as (say, watch):
        say("load 2.0 s")
        watch(plans[0], "built")
    assert stream.getvalue() == ("" if why == "quiet" else "load 2.0 s\n")
