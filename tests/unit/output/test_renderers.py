"""output: the same findings for people, programs, GitHub and code scanners."""

from __future__ import annotations

import json
import time

import pytest

from edgec.artifacts.document import Document
from edgec.diagnostics import Diagnostic, Location
from edgec.output import github, human, sarif
from edgec.output import json as as_json
from edgec.output.place import place
from edgec.output.table import width
from edgec.stages.read import read_bytes

TEXT = "name: camera\nbudgets:\n  latency: {p90: 100}\n  size: 5MB\n"


@pytest.fixture
def documents() -> dict[str, Document]:
    return {"a.yaml": read_bytes(TEXT.encode(), "a.yaml")}


def finding(**changes: object) -> Diagnostic:
    where = Location(file="a.yaml", route=("budgets", "latency", "p90"))
    return Diagnostic(
        **{"code": "wrong-value", "message": "100 has no unit", "where": where, "hint": "write 100ms", **changes}
    )  # type: ignore[arg-type]


def test_people_see_the_line_and_what_is_meant(documents: dict[str, Document]) -> None:
    assert human.render([finding()], documents) == (
        "error[wrong-value]: 100 has no unit\n"
        "  --> a.yaml:3:18\n"
        "   |\n"
        " 3 |   latency: {p90: 100}\n"
        "   |                  ^^^\n"
        "   = help: write 100ms\n"
    )


def test_colour_changes_nothing_but_colour(documents: dict[str, Document]) -> None:
    import re

    coloured = human.render([finding()], documents, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == human.render([finding()], documents)


def test_what_a_manifest_says_never_reaches_the_terminal_raw() -> None:
    document = read_bytes("name: 'a\u200bb'\n".encode(), "a.yaml")
    found = finding(message="bad \x1b[2J name", where=Location(file="a.yaml", route=("name",)))
    shown = human.render([found], {"a.yaml": document})
    assert "\x1b" not in shown and "\u200b" not in shown and "\\x1b[2J" in shown


@pytest.mark.parametrize("before", ["日本語", "ｱｲｳ", "e\u0301e\u0301", "a\u200bb", "plain"])
def test_carets_stand_below_what_they_mean_whatever_stands_before(before: str) -> None:
    document = read_bytes(f"x: [{before}, 日本, a]\n".encode(), "a.yaml")
    columns = width(" 1 | x: [") + width(human.printable(before)) + 2
    for index, left, wide in ((1, columns, 4), (2, columns + 6, 1)):
        shown = human.render([finding(where=Location(file="a.yaml", route=("x", index)))], {"a.yaml": document}).splitlines()
        assert shown[4] == "   | ".ljust(left) + "^" * wide


def test_a_place_without_text_names_only_the_file(documents: dict[str, Document]) -> None:
    found = finding(where=Location(file="other.yaml", route=("name",)))
    assert "  --> other.yaml\n" in human.render([found], documents)


def test_a_route_that_is_not_written_leads_to_its_nearest_parent(documents: dict[str, Document]) -> None:
    span = place(Location(file="a.yaml", route=("budgets", "accuracy", "min")), documents)
    assert span and (span.line, span.column) == (2, 1)
    top = place(Location(file="a.yaml", route=("delegate",)), documents)
    assert top and (top.line, top.column) == (1, 1)


def test_a_block_mapping_is_underlined_at_its_key(documents: dict[str, Document]) -> None:
    span = place(Location(file="a.yaml", route=("budgets",)), documents)
    assert span and (span.line, span.column, span.end_column) == (2, 1, 8)


def test_very_long_lines_are_cut_and_fast() -> None:
    document = read_bytes(("x: [" + "1, " * 60_000 + "]").encode(), "a.yaml")
    where = Location(file="a.yaml", route=("x", 30_000))
    start = time.perf_counter()
    shown = human.render([finding(where=where)] * 100, {"a.yaml": document})
    assert max(map(len, shown.splitlines())) < 200 and time.perf_counter() - start < 5
    line, carets = shown.splitlines()[3:5]
    assert line[carets.index("^")] == "1"


def test_json_is_complete_and_stable(documents: dict[str, Document]) -> None:
    text = as_json.render([finding()], documents)
    assert text == as_json.render([finding()], documents)
    data = json.loads(text)
    assert data["schema"] == "edgec/diagnostics/v1" and data["exit_code"] == 3
    (record,) = data["diagnostics"]
    assert set(record) == {"code", "severity", "message", "hint", "exit_code", "where", "related"}
    assert record["where"] == {
        "file": "a.yaml",
        "route": ["budgets", "latency", "p90"],
        "line": 3,
        "column": 18,
        "end_line": 3,
        "end_column": 21,
    }


def test_warnings_alone_exit_with_zero(documents: dict[str, Document]) -> None:
    data = json.loads(as_json.render([finding(severity="warning")], documents))
    assert data["exit_code"] == 0


def test_github_escapes_what_would_end_a_command(documents: dict[str, Document]) -> None:
    found = finding(message="100% of\nit: a, b", hint=None, severity="warning")
    assert github.render([found], documents) == (
        "::warning title=edgec wrong-value,file=a.yaml,line=3,col=18,endColumn=21::100%25 of%0Ait: a, b\n"
    )


def test_github_escapes_file_names() -> None:
    found = finding(where=Location(file="a,b:c.yaml", line=1, column=2), hint=None)
    assert "file=a%2Cb%3Ac.yaml,line=1,col=2" in github.render([found], {})


def test_sarif_has_what_scanners_read(documents: dict[str, Document]) -> None:
    related = (("first", Location(file="a.yaml", route=("name",))),)
    log = json.loads(sarif.render([finding(related=related), finding(code="unknown-key", where=None)], documents))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["unknown-key", "wrong-value"]
    first, second = run["results"]
    assert rules[first["ruleIndex"]] == first["ruleId"] == "wrong-value" and second["locations"] == []
    region = first["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 18, "endLine": 3, "endColumn": 21}
    assert first["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a.yaml"
